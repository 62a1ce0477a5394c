"""Factor analysis of wide tables with missing values."""

import torch

from skae.networks.imputation import FactorCovariance, factor_posterior

__all__ = ["fit_factor_analysis"]

N_ITERATIONS = 8
"""Iterations of the EM algorithm."""

MIN_NOISE_VARIANCE = 0.01
"""Lower bound of the noise variance of a standardized column."""

LOADING_PRECISION = 10.0
"""Precision of the normal prior of the loadings, relative to the noise variance of the column."""


def fit_factor_analysis(x, weights, n_factors):
    r"""Fit factor analysis to standardized rows with missing values by the EM algorithm [1]_.

    The model is :math:`x = \mu + W z + \epsilon` with standard normal factors z and independent
    noise. Time and memory are linear in the number of columns.

    Parameters
    ----------
    x : torch.Tensor of shape (n, d)
        Rows with NaN for missing values, float64.
    weights : torch.Tensor of shape (n,)
        Sample weights, float64.
    n_factors : int
        Number of factors. Factors beyond the rank of x have zero loadings.

    Returns
    -------
    mean : torch.Tensor of shape (d,)
        float64.
    covariance : FactorCovariance
        Loadings and noise variances, float64.

    References
    ----------
    .. [1] D. B. Rubin and D. T. Thayer, "EM algorithms for ML factor analysis", Psychometrika 47,
       1982.
    """
    known = ~x.isnan()
    weighted = known * (weights / weights.mean()).unsqueeze(1)  # (n, d)
    counts = weighted.sum(0).clamp(min=1e-12)
    mean = (weighted * x.nan_to_num(0.0)).sum(0) / counts
    covariance = _principal_factors(x - mean, n_factors)
    identity = torch.eye(n_factors, dtype=x.dtype)
    for _ in range(N_ITERATIONS):
        deviations = torch.where(known, x - mean, 0.0)
        z, posterior = factor_posterior(deviations, known.to(x.dtype), covariance)
        moments = posterior + z.unsqueeze(2) * z.unsqueeze(1)  # (n, k, k)
        gram = (weighted.T @ moments.flatten(1)).view(-1, n_factors, n_factors)  # (d, k, k)
        products = (weighted * deviations).T @ z  # (d, k)
        loadings = torch.linalg.solve(gram + LOADING_PRECISION * identity, products)
        squares = (weighted * deviations.square()).sum(0)
        quadratic = torch.einsum("dk,dkl,dl->d", loadings, gram, loadings)
        noise = (squares - 2 * (loadings * products).sum(1) + quadratic) / counts
        covariance = FactorCovariance(loadings, noise.clamp(min=MIN_NOISE_VARIANCE))
        mean = mean + (weighted * (deviations - z @ loadings.T)).sum(0) / counts
    return mean, covariance


def _principal_factors(deviations, n_factors):
    """Return the principal components of centered rows with missing values.

    A product of two columns is zero if one of them is missing. Dividing the loadings by the share
    of observed values of the column makes up for these zeros.
    """
    n, d = deviations.shape
    k = min(n_factors, n, d)
    observed = (~deviations.isnan()).double().mean(0).clamp(min=1 / n)
    zero_filled = deviations.nan_to_num(0.0)
    _, singular_values, directions = torch.linalg.svd(zero_filled, full_matrices=False)
    variances = singular_values[:k].square() / n
    loadings = torch.zeros(d, n_factors, dtype=deviations.dtype)
    loadings[:, :k] = directions[:k].T * variances.sqrt() / observed.unsqueeze(1)
    noise = zero_filled.square().mean(0) / observed - loadings.square().sum(1)
    return FactorCovariance(loadings, noise.clamp(min=MIN_NOISE_VARIANCE))
