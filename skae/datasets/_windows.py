"""Sliding windows of a long series, and values of windows back in time order."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from skae._typing import ArrayLike, MatrixLike
from skae.datasets._arrays import check_positive_int, to_real_array

__all__ = ["average_windows", "sliding_windows"]


def sliding_windows(series: MatrixLike, length: int, step: int = 1) -> NDArray[Any]:
    """Return the windows of a series, without a copy.

    Window i has the time steps ``i * step`` to ``i * step + length - 1``. The last
    ``(n_steps - length) % step`` time steps are in no window.

    Parameters
    ----------
    series : array-like of shape (n_steps,) or (n_steps, n_channels)
        Values in time order: an array, a memory map or a DataFrame with one column per channel.
    length : int
        Number of time steps in a window, from 1 to `n_steps`.
    step : int, default=1
        Number of time steps between the starts of two windows. Windows do not overlap if it is at
        least `length`.

    Returns
    -------
    windows : ndarray of shape (n_windows, length) or (n_windows, length, n_channels)
        Read-only view of the series, with ``n_windows = (n_steps - length) // step + 1``. A memory
        map remains one, so that estimators stream large windows.

    Raises
    ------
    ValueError
        If the series has more than two dimensions, `length` is not from 1 to `n_steps`, or `step`
        is not a positive int.

    See Also
    --------
    average_windows : Values of windows back in time order.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.datasets import sliding_windows
    >>> series = np.arange(20).reshape(10, 2)  # 10 time steps, 2 channels
    >>> windows = sliding_windows(series, length=4, step=3)
    >>> windows.shape
    (3, 4, 2)
    >>> windows[1, :, 0]
    array([ 6,  8, 10, 12])
    """
    values = to_real_array(series, "a series")
    if values.ndim not in (1, 2):
        raise ValueError(
            f"Got a series of shape {values.shape}, but expected (n_steps,) or "
            "(n_steps, n_channels)."
        )
    length = check_positive_int(length, "length")
    step = check_positive_int(step, "step")
    if length > len(values):
        raise ValueError(
            f"Got length={length} with a series of {len(values)} time steps, but expected at most "
            f"{len(values)}."
        )
    windows = sliding_window_view(values, length, axis=0, subok=True)[::step]
    return np.moveaxis(windows, -1, 1)  # (n_windows, length, ...)


def average_windows(
    values: ArrayLike, length: int, step: int = 1, n_steps: int | None = None
) -> NDArray[np.float64]:
    """Average the values of overlapping windows for each time step.

    Parameters
    ----------
    values : array-like of shape (n_windows,) or (n_windows, length, ...)
        One value for each window, such as a score, or the values of each time step of each window,
        such as reconstructions (n_windows, length, n_channels). NaN values are ignored.
    length : int
        Number of time steps in a window.
    step : int, default=1
        Number of time steps between the starts of two windows, as in `sliding_windows`.
    n_steps : int, default=None
        Number of time steps of the series. None: the end of the last window.

    Returns
    -------
    averages : ndarray of shape (n_steps,) or (n_steps, n_channels)
        Mean over all windows that contain the time step, float64. NaN for a time step without a
        value.

    Raises
    ------
    ValueError
        If the second dimension of `values` is not `length`, or `n_steps` does not suit the number
        of windows.

    See Also
    --------
    sliding_windows : Windows of a series.

    Examples
    --------
    >>> from skae.datasets import average_windows
    >>> average_windows([1.0, 3.0], length=4, step=2)
    array([1., 1., 2., 2., 3., 3.])
    """
    length = check_positive_int(length, "length")
    step = check_positive_int(step, "step")
    values = to_real_array(values, "values").astype(np.float64, copy=False)
    if values.ndim not in (1, 2, 3) or len(values) == 0:
        raise ValueError(
            f"Got values of shape {values.shape}, but expected (n_windows,), (n_windows, length) "
            "or (n_windows, length, n_channels), with at least one window."
        )
    if values.ndim == 1:
        values = np.broadcast_to(values[:, None], (len(values), length))
    if values.shape[1] != length:
        raise ValueError(
            f"Got values of shape {values.shape} with length={length}, but expected "
            f"{length} values in the second dimension."
        )
    end = (len(values) - 1) * step + length
    if n_steps is None:
        n_steps = end
    if (
        not isinstance(n_steps, Integral)
        or isinstance(n_steps, bool)
        or not end <= n_steps < end + step
    ):
        raise ValueError(
            f"Got n_steps={n_steps!r}, but expected an int from {end} to {end + step - 1}: there "
            f"are {len(values)} windows of length={length} with step={step}."
        )
    sums = np.zeros((n_steps, *values.shape[2:]))
    counts = np.zeros(sums.shape)
    for offset in range(length):
        # windows start at different time steps, so no time step occurs twice
        steps = slice(offset, offset + (len(values) - 1) * step + 1, step)
        is_known = ~np.isnan(values[:, offset])
        sums[steps] += np.where(is_known, values[:, offset], 0)
        counts[steps] += is_known
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
