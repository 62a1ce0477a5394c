"""Codes of an autoencoder as arrays, their quantization steps, and the dtype of decoded data."""

import numpy as np

from skae._input.array_likes import as_numpy, as_plain
from skae._input.dtypes import as_ndarray
from skae._input.tables import plain_table
from skae.compression._range_coder import MAX_EXCESS

__all__ = [
    "decode",
    "encode",
    "encode_stacks",
    "output_dtype",
    "quantization_steps",
    "to_steps",
]

MAX_CODE = MAX_EXCESS / 4
"""Magnitude of a code in steps, so that its excess over a table is below `MAX_EXCESS`."""

ADDED_DISTORTION = 0.25
"""Distortion that the automatic step adds, relative to the autoencoder's own error."""

MAX_STEP_ROWS = 1000
"""Rows for the search of the automatic step: each of its 14 evaluations decodes all of them."""

MAX_ENCODED_TILES = 4096
"""Tiles that are encoded at once, so that small images do not need one call each."""

N_BISECTIONS = 14
"""Bisections of the automatic step: 22 octaves over 2**14 give a precision of 0.1 %."""


def encode(autoencoder, X):
    """Encode X; return finite float64 codes of shape (n_samples, n_codes)."""
    codes = as_ndarray(autoencoder.transform(as_plain(X)), np.float64)
    if codes.ndim != 2:
        raise ValueError(
            f"Got codes of shape {codes.shape} from the autoencoder, but expected (n_samples, "
            "n_codes)."
        )
    if not np.isfinite(codes).all():
        raise ValueError(
            f"Got NaN or infinity in codes of shape {codes.shape} from the autoencoder, but "
            "expected finite numbers."
        )
    return codes


def encode_stacks(autoencoder, stacks):
    """Encode stacks of tiles, several stacks in one call of the autoencoder.

    Parameters
    ----------
    autoencoder : estimator
        The fitted autoencoder.
    stacks : iterable of ndarray of shape (n_tiles, ...)
        Stacks of tiles. At most `MAX_ENCODED_TILES` tiles, or one stack, are held at a time.

    Yields
    ------
    codes : ndarray of shape (n_tiles, n_codes)
        Codes of each stack, in order.
    """
    waiting = []
    n_waiting = 0
    for stack in stacks:
        if waiting and n_waiting + len(stack) > MAX_ENCODED_TILES:
            yield from _encode_together(autoencoder, waiting)
            waiting = []
            n_waiting = 0
        waiting.append(stack)
        n_waiting += len(stack)
    if waiting:
        yield from _encode_together(autoencoder, waiting)


def _encode_together(autoencoder, stacks):
    """Encode stacks in one call; return the list of their codes."""
    ends = np.cumsum([len(stack) for stack in stacks])
    return np.split(encode(autoencoder, np.concatenate(stacks)), ends[:-1])


def decode(autoencoder, codes):
    """Decode codes to an ndarray."""
    return as_ndarray(autoencoder.inverse_transform(codes))


def output_dtype(X):
    """Return the dtype of decoded data, which is that of X.

    Floats other than float32 and float64 become float32.
    """
    if not isinstance(getattr(X, "dtype", None), np.dtype) or X.dtype.kind not in "biuf":
        X = _plain_array(X)
    dtype = X.dtype.newbyteorder("=")
    if dtype.kind in "bui" or dtype in (np.float32, np.float64):
        return dtype
    if dtype.kind == "f":
        return np.dtype(np.float32)
    return np.dtype(np.float64)


def _plain_array(X):
    """Convert X to an array of numbers, also if it is a table."""
    X = as_numpy(X)
    if hasattr(X, "columns"):
        X = plain_table(X)
    return np.asarray(X)


def quantization_steps(autoencoder, X, codes, step):
    """Return the quantization step of each code.

    Parameters
    ----------
    autoencoder : estimator
        The fitted autoencoder. If it has ``code_steps_``, these are the steps.
    X : array-like
        Data of fit.
    codes : ndarray of shape (n_samples, n_codes)
        Codes of X.
    step : float or "auto"
        Geometric mean of the steps. "auto" uses ``code_steps_``, or else the step that adds
        `ADDED_DISTORTION` to the error of the autoencoder on X.

    Returns
    -------
    steps : ndarray of shape (n_codes,)
        Positive steps in units of the codes, float64.
    """
    trained_steps = getattr(autoencoder, "code_steps_", None)
    steps = np.ones(codes.shape[1])
    if trained_steps is not None:
        steps = _check_trained_steps(trained_steps, codes.shape[1])
    if step != "auto":
        return steps / np.exp(np.log(steps).mean()) * float(step)
    if trained_steps is not None:
        return steps
    return steps * _automatic_step(autoencoder, X, codes)


def _check_trained_steps(trained_steps, n_codes):
    """Validate ``code_steps_`` of an autoencoder."""
    steps = np.array(trained_steps, dtype=np.float64)
    valid = steps.shape == (n_codes,) and np.isfinite(steps).all() and (steps > 0).all()
    if not valid:
        raise ValueError(
            f"Got code_steps_={trained_steps!r}, but expected {n_codes} positive numbers."
        )
    return steps


def _automatic_step(autoencoder, X, codes):
    """Compute by bisection the step that adds `ADDED_DISTORTION` to the error on X."""
    stride = -(-len(codes) // MAX_STEP_ROWS)
    codes = codes[::stride]
    target = _plain_array(X[::stride]).astype(np.float64).reshape(len(codes), -1)
    max_scale = codes.std(0).max()
    if not max_scale > 0:
        return 1.0
    center = codes.mean(0)

    def distortion(codes):
        """Compute the mean squared error of decoded codes."""
        return np.square(decode(autoencoder, codes).reshape(target.shape) - target).mean()

    # with as many components as features the error is near zero: allow a thousandth of the variance
    max_distortion = (1 + ADDED_DISTORTION) * distortion(codes) + 1e-3 * target.var(0).mean()
    low, high = np.log2(max_scale) + np.array([-20.0, 2.0])
    for _ in range(N_BISECTIONS):
        middle = (low + high) / 2
        rounded = np.rint((codes - center) / 2.0**middle) * 2.0**middle
        if distortion(center + rounded) <= max_distortion:
            low = middle
        else:
            high = middle
    return 2.0**low


def to_steps(codes, center, steps):
    """Return centered codes in units of the step; raise an error for codes beyond `MAX_CODE`."""
    with np.errstate(over="ignore"):  # infinity is refused below
        codes = (codes - center) / steps
    max_code = np.abs(codes).max(initial=0)
    if max_code > MAX_CODE:
        raise ValueError(
            f"Got a code of {max_code:.3g} steps, but expected at most {MAX_CODE:.3g}: X is too "
            "far from that of fit, or the step too small."
        )
    return codes
