"""Inference on sparse rows: reconstruction errors and explained variance without dense rows.

A standardized row x has the reconstruction ``x_hat = u_hat @ C`` with the components C (m, d). The
squared error with ``u = x @ C.T`` and ``G = C @ C.T`` is

    |x_hat - x|^2 = |x|^2 - 2 u_hat @ u + u_hat @ G @ u_hat.
"""

import numpy as np
import torch

from skae._input.rows import row_chunks
from skae._input.sparse_rows import ProjectedRows, can_project, mean_and_scale
from skae.networks.layers import double_products

__all__ = ["SparseErrors", "has_linear_output"]


def has_linear_output(rows, network):
    """Return whether rows are sparse, and reconstructions are linear in principal coordinates."""
    return can_project(rows, network) and network.output != "sigmoid"


class SparseErrors:
    """Errors of the reconstructions of sparse rows, all sums in float64.

    Parameters
    ----------
    net : AutoencoderNet
        Fitted.
    rows : SparseRows of shape (n_samples, d)
        Checked rows, for which `has_linear_output` is true.
    """

    def __init__(self, net, rows):
        self.network = net.module_
        self.uses_double = torch.device(net.device).type == "cpu"
        self.rows = rows
        self.coordinates = ProjectedRows(rows, self.network)
        self.mean, self.scale = mean_and_scale(self.network)
        self.components = self.coordinates.components  # (d, m)

    def _chunks(self):
        """Yield slices, sparse rows in units of X, and u and u_hat of shape (b, m)."""
        matrix = self.rows.as_double()
        device = self.network.centre.scale.device
        for chunk in row_chunks(*self.coordinates.shape):
            u = self.coordinates.project(matrix[chunk])
            x = torch.from_numpy(u).to(device, torch.float32)
            with torch.inference_mode(), double_products(self.uses_double):
                u_hat = self.network.reconstruct_coordinates(x)
            yield chunk, matrix[chunk], u, u_hat.cpu().double().numpy()

    def squared_errors(self):
        """Compute the squared error of each row, summed over the features, in units of X."""
        errors = np.empty(len(self.rows))
        gram = self.components.T @ self.components
        for chunk, x, u, u_hat in self._chunks():
            squares = x.power(2).sum(axis=1) - 2 * (x @ self.mean) + self.mean @ self.mean
            explained = 2 * (u_hat * u).sum(1) - ((u_hat @ gram) * u_hat).sum(1)
            errors[chunk] = squares - self.scale**2 * explained
        return np.maximum(errors, 0)

    def sums_of_columns(self, weights):
        """Compute weighted sums over the rows for each column, in squared units of X.

        Parameters
        ----------
        weights : ndarray of shape (n_samples,)
            Sample weights.

        Returns
        -------
        errors : ndarray of shape (d,)
            Squared errors.
        variation : ndarray of shape (d,)
            Squared deviations from the mean of these rows.
        """
        d, m = self.components.shape
        sums, squares = np.zeros((2, d))
        products = np.zeros((d, m))  # of x and u_hat
        gram, sum_of_u = np.zeros((m, m)), np.zeros(m)
        for chunk, x, _, u_hat in self._chunks():
            w = weights[chunk]
            weighted = u_hat * w[:, None]
            sums += w @ x
            squares += w @ x.power(2)
            products += x.T @ weighted
            gram += u_hat.T @ weighted
            sum_of_u += weighted.sum(0)
        total = weights.sum()
        variation = squares - np.square(sums) / total
        deviations = variation + total * np.square(sums / total - self.mean)
        products -= np.outer(self.mean, sum_of_u)
        errors = deviations - 2 * self.scale * (products * self.components).sum(1)
        errors += self.scale**2 * ((self.components @ gram) * self.components).sum(1)
        return errors, variation
