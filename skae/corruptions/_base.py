"""Base class of corruptions, functions as corruptions, and their application to samples."""

import math
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Literal, Self, TypeAlias

import torch
from sklearn.base import clone

from skae._options import Option

__all__ = [
    "Corruption",
    "FunctionCorruption",
    "Level",
    "corrupt",
    "corruption_of_samples",
    "is_rising",
]

Level: TypeAlias = float | tuple[float, float] | Literal["auto"]
"""Level of a corruption: a number, a pair of bounds of a uniform distribution, or "auto"."""

AUTO_LEVEL = 0.2
"""Level that "auto" stands for in autoencoders."""


class Corruption(Option):
    """Base class of corruptions.

    A subclass implements ``__call__``, and declares class attributes where the defaults do not
    apply. Parameters named `level`, `fill_value`, `low` and `high` can have the value "auto": `fit`
    replaces it by the value that applies to the estimator.

    Parameters
    ----------
    level : float, (float, float) or "auto", default="auto"
        Amount of corruption. With a pair, each sample has a level from a uniform distribution
        between both. If "auto", 0.2 in autoencoders and 0.1 in restorers.

    Attributes
    ----------
    min_level, max_level : float
        Bounds of the level.
    images_only : bool
        Whether samples must be images.
    unit_range : bool
        Whether samples must lie in [0, 1], as in restorers.
    masks : bool
        Whether the corruption replaces values by `fill_value`, and keeps all others. Where missing
        values are allowed, the replaced values become missing.
    can_mask : bool
        Whether the result can have missing values, NaN.
    checks_result : bool
        Whether shape, dtype and values of every result are validated.
    weight_in_loss : float or None
        Weight of masked values in the loss, if the corruption masks values. None: each value has
        the same weight.
    """

    min_level: ClassVar[float] = 0.0
    max_level: ClassVar[float] = math.inf
    images_only: ClassVar[bool] = False
    unit_range: ClassVar[bool] = False
    masks: ClassVar[bool] = False
    can_mask: ClassVar[bool] = True
    checks_result: ClassVar[bool] = True

    def __init__(self, level: Level = "auto") -> None:
        self.level = level

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return corrupted samples.

        Parameters
        ----------
        x : torch.Tensor of shape (b, d), or (b, C, H, W) for images
            Samples, float32: in autoencoders centered and divided by the overall standard deviation
            of X, in restorers scaled from `data_range` to [0, 1].
        generator : torch.Generator
            Random number generator on the CPU.

        Returns
        -------
        corrupted : torch.Tensor of the shape of x
            A new tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__.")

    def resolve(self, **defaults: Any) -> Self:
        """Return a copy with valid parameters, in which every "auto" is replaced.

        Parameters
        ----------
        **defaults : dict
            Values that "auto" stands for, by the name of the parameter.
        """
        parameters = self.get_params(deep=False)
        for name, value in parameters.items():
            if isinstance(value, Corruption):
                parameters[name] = value.resolve(**defaults)
            elif isinstance(value, str) and value == "auto" and name in defaults:
                parameters[name] = defaults[name]
        if "level" in parameters:
            parameters["level"] = self._check_level(parameters["level"])
        return clone(self).set_params(**parameters)

    @property
    def weight_in_loss(self) -> float | None:
        """Weight of masked values in the loss; None: each value has the same weight."""
        return None

    def _check_level(self, level):
        """Return a valid level: a float, or a pair of different floats."""
        pair = (level, level)
        if isinstance(level, (tuple, list)):
            pair = tuple(level)
        if not is_rising(pair) or pair[0] < self.min_level or pair[1] > self.max_level:
            limits = f"from {self.min_level:g} to {self.max_level:g}"
            if self.max_level == math.inf:
                limits = f"of at least {self.min_level:g}"
            raise ValueError(
                f"Got level={level!r} in corruption={type(self).__name__}, but expected a number "
                f"{limits}, or a pair of such, the lower one first."
            )
        low, high = float(pair[0]), float(pair[1])
        if low == high:
            return low
        return low, high

    def levels(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return one level per sample.

        Parameters
        ----------
        x : torch.Tensor of shape (b, ...)
            Samples.
        generator : torch.Generator
            Random number generator on the CPU; used only if the level is a pair.

        Returns
        -------
        levels : torch.Tensor of shape (b, 1, ...)
            As many dimensions as x, on the CPU.
        """
        uniform = torch.zeros(len(x))
        level: Any = self.level  # "auto" was resolved
        low = high = level
        if isinstance(level, (tuple, list)):
            low, high = level
            uniform = torch.rand(len(x), generator=generator)
        return (low + (high - low) * uniform).reshape(-1, *[1] * (x.ndim - 1))


class FunctionCorruption(Corruption):
    """Corruption that is a function of samples.

    ``corruption=function`` is the same as ``corruption=FunctionCorruption(function)``.

    Parameters
    ----------
    function : callable
        ``(x, generator) -> corrupted x``, as ``__call__`` of `Corruption`.
    """

    def __init__(self, function: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> None:
        self.function = function

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Compute corrupted samples."""
        return self.function(x, generator)


def corruption_of_samples(corruption, *, allow_nan=False, column_of_feature=None):
    """Return the corruption as a function of an autoencoder's samples.

    Parameters
    ----------
    corruption : Corruption or None
        As `resolve_corruption` returned it.
    allow_nan : bool, default=False
        Whether samples may have missing values. Then masked values become missing values, and
        other corruptions see the mean for each missing value.
    column_of_feature : torch.Tensor of shape (d,), default=None
        Column of the table that each encoded feature belongs to. All features of a column are then
        masked together. None: each feature is a column.

    Returns
    -------
    corrupt : callable or None
        ``(x, generator) -> (corrupted x, masked)``. It can be pickled. `masked` is a mask of the
        replaced values if these have a weight of their own in the loss, or else None.
    """
    if corruption is None:
        return None
    fill_value = 0.0
    if allow_nan:
        fill_value = math.nan
    corruption = corruption.resolve(level=AUTO_LEVEL, fill_value=fill_value, low=None, high=None)
    is_weighted = corruption.weight_in_loss is not None
    if corruption.masks and (is_weighted or column_of_feature is not None):
        masking = clone(corruption).set_params(fill_value=math.nan)
        fill_value = corruption.fill_value
        return partial(_mask, masking, fill_value, column_of_feature, is_weighted)
    if allow_nan and not corruption.masks:
        return partial(_corrupt_observed, corruption)
    return partial(_corrupt_unmasked, corruption, allow_nan)


def corrupt(corruption, allow_nan, x, generator, kind="a corruption"):
    """Return x corrupted, after validating the result."""
    if not corruption.checks_result:
        return corruption(x, generator)
    # a copy, since a user's function may work in place, and x becomes the target
    corrupted = corruption(x.clone(), generator)
    _check_result(corrupted, x, allow_nan, kind)
    return corrupted


def _corrupt_unmasked(corruption, allow_nan, x, generator):
    """Return x corrupted, without a mask."""
    return corrupt(corruption, allow_nan, x, generator), None


def _corrupt_observed(corruption, x, generator):
    """Return x corrupted where it is observed; the corruption gets means for missing values."""
    corrupted = corrupt(corruption, True, x.nan_to_num(0.0), generator)
    return torch.where(x.isnan(), x, corrupted), None


def _mask(masking, fill_value, column_of_feature, is_weighted, x, generator):
    """Return x with masked values or columns replaced by `fill_value`, and the mask if weighted.

    The corruption `masking` replaces values by NaN, so that its result has the mask.
    """
    if column_of_feature is None:
        masked = corrupt(masking, True, x.nan_to_num(0.0), generator).isnan()
    else:
        n_columns = int(column_of_feature.max()) + 1
        columns = masking(torch.zeros(len(x), n_columns), generator).isnan()
        masked = columns[:, column_of_feature].to(x.device)
    corrupted = x.masked_fill(masked, fill_value)
    if not is_weighted:
        return corrupted, None
    return corrupted, masked


def _check_result(corrupted, x, allow_nan, kind):
    """Raise a ValueError if a corruption changed the shape or the dtype, or gave invalid values."""
    expected = f"{_describe(x)}, as it was given"
    if not isinstance(corrupted, torch.Tensor):
        result = type(corrupted).__name__
    elif corrupted.shape != x.shape or corrupted.dtype != x.dtype:
        result = _describe(corrupted)
    elif allow_nan and corrupted.isinf().any():
        result, expected = "infinity", "finite numbers, or NaN for missing values"
    elif not allow_nan and not corrupted.isfinite().all():
        result, expected = "NaN or infinity", "finite numbers"
    else:
        return
    raise ValueError(f"Got {kind} that makes {result}, but expected {expected}.")


def _describe(x):
    """Return the shape and the dtype of a tensor in words."""
    return f"a tensor of shape {tuple(x.shape)} and dtype {str(x.dtype).removeprefix('torch.')}"


def is_rising(values):
    """Return whether values are two finite real numbers, the smaller one first."""
    if len(values) != 2:
        return False
    for value in values:
        if not isinstance(value, Real) or not math.isfinite(value):
            return False
    return values[0] <= values[1]
