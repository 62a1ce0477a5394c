"""The method `score_samples` of a detector as a torch module, for the export to ONNX."""

import torch
from torch import nn

from skae.anomaly._column_scaling import Standardization
from skae.anomaly._reference import EQUAL_ERRORS
from skae.anomaly._scores import MAX_STANDARDIZED_VALUE, smooth

__all__ = ["DetectorScore"]


class DetectorScore(nn.Module):
    """Scores of samples, as `ReconstructionDetector.score_samples` computes them.

    Parameters
    ----------
    detector : ReconstructionDetector
        Fitted detector.
    network : nn.Module
        Network of its autoencoder.
    result_dtype : torch.dtype
        Data type of reconstructions.
    """

    def __init__(self, detector, network, result_dtype):
        super().__init__()
        self.network = network
        self.result_dtype = result_dtype
        self.neighbor_weight = detector._neighbor_weight
        self.is_scaled = detector.scaler_ is not None
        if self.is_scaled:
            _register(self, "mean", detector.scaler_.mean_)
            _register(self, "scale", detector.scaler_.scale_)
        for name in ("kernels", "pooling"):
            matrices = getattr(detector, f"_{name}")
            setattr(self, f"has_{name}", matrices is not None)
            if matrices is not None:
                _register(self, f"vertical_{name}", matrices[0])
                _register(self, f"horizontal_{name}", matrices[1])
        reference = detector._reference
        _register(self, "error_scale", detector.error_scale_)
        _register(self, "held_out_errors", reference.errors)
        _register(self, "fitted_errors", reference.fitted_errors)
        _register(self, "group_scores", reference.group_scores)
        self.error_tail = _Tail(reference.error_tail)
        self.views = nn.ModuleList(_View(view) for view in reference.views)

    def forward(self, x):
        """Compute the score of each sample."""
        x = x.flatten(1)
        rows = x.double()
        if self.is_scaled:
            standardized = ((rows - self.mean) / self.scale).clamp(
                -MAX_STANDARDIZED_VALUE, MAX_STANDARDIZED_VALUE
            )
            x = standardized.float()
        x_hat = self.network.decode(self.network.encode(x), self.result_dtype)
        x = x.double()
        residual = x_hat.double() - x
        if self.has_kernels:
            residual = smooth(residual, (self.vertical_kernels, self.horizontal_kernels))
        errors = (residual.square() / self.error_scale).mean(1)  # (b,)
        points = rows
        if self.has_pooling:
            points = smooth(x, (self.vertical_pooling, self.horizontal_pooling))

        view_scores = []
        for view in self.views:
            scores, is_reference, equal_samples = view(points)
            view_scores.append(scores)
            if view is self.views[0]:
                is_training_sample, twins = is_reference, equal_samples
        neighbor_scores = torch.stack(view_scores).mean(0)  # (b,)
        difference = (errors - self.fitted_errors[twins]).abs()
        is_training_sample = is_training_sample & (difference <= EQUAL_ERRORS * (1 + errors))
        errors = torch.where(is_training_sample, self.held_out_errors[twins], errors)
        neighbor_scores = torch.where(is_training_sample, self.group_scores[twins], neighbor_scores)
        total = self.error_tail(errors).square() + self.neighbor_weight * neighbor_scores.square()
        return -(total / (1 + self.neighbor_weight)).sqrt()


class _View(nn.Module):
    """A `NeighborView` as a torch module."""

    def __init__(self, view):
        super().__init__()
        self.scaling = _Scaling(view.scaling)
        self.tail = _Tail(view.tail)
        search = view.distances.search
        self.is_manhattan = search.metric == "manhattan"
        self.n_neighbors = search.n_neighbors - 1
        self.zero_distance = view.distances.zero_distance
        _register(self, "reference", search._fit_X)
        _register(self, "local_scales", view.distances.local_scales)

    def forward(self, points):
        """Compute scores, whether a reference sample is equal, and its index."""
        points = self.scaling(points)
        if self.is_manhattan:
            distances = (points[:, None] - self.reference).abs().sum(-1)  # (b, n)
        else:
            # differences, because the sum of squares and products is not accurate near zero
            distances = (points[:, None] - self.reference).square().sum(-1).sqrt()
        nearest, indices = distances.topk(self.n_neighbors + 1, largest=False)
        is_itself = nearest[:, 0] <= self.zero_distance
        nearest = torch.where(is_itself[:, None], nearest[:, 1:], nearest[:, :-1])
        neighbors = torch.where(is_itself[:, None], indices[:, 1:], indices[:, :-1])
        scores = nearest.mean(1) / self.local_scales[neighbors].mean(1)
        return self.tail(scores), is_itself, indices[:, 0]


class _Scaling(nn.Module):
    """A scaling of columns as a torch module."""

    def __init__(self, scaling):
        super().__init__()
        self.is_standardization = isinstance(scaling, Standardization)
        if self.is_standardization:
            _register(self, "mean", scaling.mean)
            _register(self, "scale", scaling.scale)
        else:
            _register(self, "quantiles", scaling.quantiles)
            _register(self, "scores", scaling.scores)

    def forward(self, rows):
        """Scale rows of shape (b, d)."""
        if self.is_standardization:
            standardized = (rows - self.mean) / self.scale
            return standardized.clamp(-MAX_STANDARDIZED_VALUE, MAX_STANDARDIZED_VALUE)
        return _interpolate(rows, self.quantiles, self.scores)


class _Tail(nn.Module):
    """A `TailProbability` as a torch module."""

    def __init__(self, tail):
        super().__init__()
        _register(self, "log_scores", tail.log_scores[:, None])
        _register(self, "values", tail.values[:, None])
        self.slope = tail.slope
        self.min_score = tail.min_score

    def forward(self, scores):
        """Compute negative log tail probabilities of scores of shape (b,)."""
        log_scores = scores.clamp(min=self.min_score).log()
        values = _interpolate(log_scores[:, None], self.log_scores, self.values)[:, 0]
        return values + self.slope * (log_scores - self.log_scores[-1, 0]).clamp(min=0)


def _interpolate(x, knots, values):
    """Interpolate linearly between knots of each column, and extend the values as constants.

    Parameters
    ----------
    x : torch.Tensor of shape (b, d)
        Positions.
    knots, values : torch.Tensor of shape (m, d)
        Ascending knots, and values at the knots.

    Returns
    -------
    interpolated : torch.Tensor of shape (b, d)
        The same as `numpy.interp` for each column.
    """
    if len(knots) == 1:
        return values.expand(len(x), -1)
    x = torch.maximum(torch.minimum(x, knots[-1]), knots[0])
    upper = (x[:, None] >= knots).sum(1).clamp(1, len(knots) - 1)  # (b, d)
    x_low, x_high = knots.gather(0, upper - 1), knots.gather(0, upper)
    y_low, y_high = values.gather(0, upper - 1), values.gather(0, upper)
    width = x_high - x_low
    fraction = torch.where(width > 0, (x - x_low) / width.clamp(min=1e-300), 1.0)
    return y_low + fraction * (y_high - y_low)


def _register(module, name, value):
    """Register a float64 buffer."""
    module.register_buffer(name, torch.from_numpy(value.astype("float64")))
