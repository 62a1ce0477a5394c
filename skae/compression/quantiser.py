"""Codes of an autoencoder as arrays, how coarsely they are rounded, and X in the dtype that it came in."""

import math

import numpy as np

from skae._wrapped import as_plain, default_autoencoder

__all__ = ["answered_dtype", "as_dtype", "choose_steps", "decode", "default_codes", "encode", "encode_each"]

ADDED_SHARE = 0.25
"""How much of the autoencoder's error the automatic step adds to it."""

MOST_COMPONENTS = 64
"""Of the default autoencoder; what a code of its penalty doesn't need takes next to no bits."""

SAMPLE = 1000
"""Rows that the automatic step is chosen by."""

TOGETHER = 4096
"""Tiles that are encoded in one go, so that images of few tiles don't take a call each."""


def default_codes(X):
    """Give the autoencoder of who names none: one that is trained to have short codes."""
    return default_autoencoder(X, max(1, min(MOST_COMPONENTS, math.prod(np.shape(X)[1:]) // 2)), penalty="rate")


def encode(autoencoder, X):
    """Encode X: finite float64 numbers of shape (n_samples, n_codes)."""
    codes = as_plain(autoencoder.transform(X), np.float64)
    if codes.ndim != 2 or not np.isfinite(codes).all():
        raise ValueError(f"Got codes of shape {codes.shape} from the autoencoder, but expected rows of finite numbers.")
    return codes


def encode_each(autoencoder, stacks):
    """Encode stacks of tiles, many of them together; gives one array of codes for each, in order.

    Parameters
    ----------
    autoencoder : estimator
        Fitted.
    stacks : iterable of ndarray of shape (n_tiles, ...)
        At most `TOGETHER` tiles, or one stack, are held at a time.
    """
    waiting = []

    def encoded():
        ends = np.cumsum([len(stack) for stack in waiting])
        return np.split(encode(autoencoder, np.concatenate(waiting)), ends[:-1])

    for stack in stacks:
        if waiting and sum(map(len, waiting)) + len(stack) > TOGETHER:
            yield from encoded()
            waiting = []
        waiting.append(stack)
    if waiting:
        yield from encoded()


def decode(autoencoder, codes):
    """Decode codes, into an ndarray."""
    return as_plain(autoencoder.inverse_transform(codes))


def answered_dtype(X):
    """Say in which dtype X is answered: its own, but a float that is neither float32 nor float64 becomes float32."""
    dtype = getattr(X, "dtype", None)
    dtype = np.asarray(X).dtype if dtype is None else np.dtype(str(dtype).removeprefix("torch."))
    dtype = dtype.newbyteorder("=")
    if dtype.kind in "bui" or dtype in (np.float32, np.float64):
        return dtype
    return np.dtype(np.float32 if dtype.kind == "f" else np.float64)


def as_dtype(X, dtype):
    """Give X in a dtype: integers are rounded, and clipped to their range."""
    if dtype.kind == "f":
        return X.astype(dtype, copy=False)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if dtype.itemsize == 8:
        high = np.nextafter(float(high), 0)  # float64 can't hold the largest of 64 bits
    return np.clip(np.rint(X.astype(np.float64)), low, high).astype(dtype)


def choose_steps(autoencoder, X, codes, step):
    """Say how wide the quantiser is for each code.

    Parameters
    ----------
    autoencoder : estimator
        Fitted. If it has ``code_steps_``, those are its steps.
    X : array-like
        What it was fitted on.
    codes : ndarray of shape (n_samples, n_codes)
        Its codes of X.
    step : float or "auto"
        The geometric mean of the steps, or "auto" for those of the autoencoder. If it has none, each is the one step that
        makes its error on X larger by `ADDED_SHARE`.

    Returns
    -------
    steps : ndarray of shape (n_codes,)
        float64, positive, in units of the codes.
    """
    own = getattr(autoencoder, "code_steps_", None)
    ratios = np.ones(codes.shape[1]) if own is None else np.array(own, dtype=np.float64)
    if ratios.shape != codes.shape[1:] or not (np.isfinite(ratios).all() and (ratios > 0).all()):
        raise ValueError(f"Got code_steps_={own!r}, but expected {codes.shape[1]} positive numbers.")
    if step != "auto":
        return ratios / np.exp(np.log(ratios).mean()) * float(step)
    if own is not None:
        return ratios
    every = -(-len(codes) // SAMPLE)
    codes = codes[::every]
    wanted = np.asarray(X[::every], dtype=np.float64).reshape(len(codes), -1)
    widest = codes.std(0).max()
    if not widest > 0:
        return ratios
    centre = codes.mean(0)

    def error(codes):
        return np.square(decode(autoencoder, codes).reshape(wanted.shape) - wanted).mean()

    # where there are as many components as features hardly an error is left: a thousandth of the variance may be added
    most = (1 + ADDED_SHARE) * error(codes) + 1e-3 * wanted.var(0).mean()
    low, high = np.log2(widest) + np.array([-20.0, 2.0])
    for _ in range(14):
        middle = (low + high) / 2
        fine = error(centre + np.rint((codes - centre) / 2.0**middle) * 2.0**middle) <= most
        low, high = (middle, high) if fine else (low, middle)
    return ratios * 2.0**low
