"""One safetensors file for a fitted estimator: arrays as tensors, all else as JSON beside them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skae._state import compare_versions, versions
from skae._version import __version__
from skae.export._values import OURS, Reader, Writer

__all__ = ["load", "save"]

FORMAT = 1
"""Goes up when an older skae could not read what is written."""

DAMAGE = (ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError)
"""What reading nonsense may raise."""


def save(estimator: BaseEstimator, path: str | Path) -> None:
    """Write a fitted estimator of skae into one safetensors file.

    What is written is what is pickled: parameters, fitted numbers and arrays, the recorded shape of the network, and its
    weights. No training data, no optimizer, and nothing that would have to be run to be read.

    Parameters
    ----------
    estimator : estimator
        Fitted: a :class:`~skae.DenseAutoencoder`, :class:`~skae.ConvAutoencoder`, :class:`~skae.LatentCodec`,
        :class:`~skae.ImageRestorer`, :class:`~skae.ReconstructionDetector` or :class:`~skae.LatentSampler`. In it, or around
        it, may be scikit-learn's ``Pipeline``, ``FrozenEstimator``, ``StandardScaler``, ``MinMaxScaler``, ``PCA``,
        ``GaussianMixture`` and ``NearestNeighbors``. For everything else there are skops and pickle.
    path : str or pathlib.Path
        Of the file; one that is there is replaced.

    Raises
    ------
    TypeError
        If `estimator` is of another class, or something in it is neither a number, a string, an array nor made of such: a
        function as `corruption`, callbacks, a ``RandomState``. The message says where. As `solver`, classes of ``torch.optim``
        itself are kept by name.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder
    >>> from skae.export import load, save
    >>> X = load_digits().data
    >>> autoencoder = DenseAutoencoder(8, max_iter=5, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     save(autoencoder, Path(folder) / "digits.safetensors")
    ...     again = load(Path(folder) / "digits.safetensors")
    >>> bool((again.transform(X) == autoencoder.transform(X)).all())
    True
    """
    write = _safetensors().save
    if type(estimator) not in (*OURS, Pipeline, FrozenEstimator):
        raise TypeError(
            f"Got {estimator!r}, but expected a fitted {', '.join(one.__name__ for one in OURS)}, or a Pipeline or "
            "FrozenEstimator with one; skops and pickle keep others."
        )
    check_is_fitted(estimator)
    writer = Writer()
    head = {"format": FORMAT, "versions": versions(), **writer.estimator(estimator, "")}
    text = json.dumps(head, allow_nan=False)
    Path(path).write_bytes(write(writer.tensors, {"skae": text, "sha256": _digest(text, writer.tensors)}))


def load(path: str | Path) -> Any:
    """Read what `save` wrote. Nothing in the file is run.

    Parameters
    ----------
    path : str or pathlib.Path
        Of the file.

    Returns
    -------
    estimator : estimator
        Of the class that was written, fitted. If the device that it names is not there, the CPU is used, with a warning. A
        warning also names both versions of skae, scikit-learn or torch where they differ by more than the last number.

    Raises
    ------
    ValueError
        If the file is damaged, changed, of a newer format, or not written by `save`. The checksum finds accidents, not
        forgers; from them nothing worse is to be had than wrong numbers.
    """
    safetensors = _safetensors()
    data = Path(path).read_bytes()
    try:
        tensors = safetensors.load(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        text, digest = metadata["skae"], metadata["sha256"]
        found = json.loads(text)
        newer = int(found["format"])
    except Exception as error:  # safetensors has exceptions of its own for what is no such file
        raise ValueError(f"Got {path}, but expected a whole file that skae.export.save wrote.") from error
    if newer > FORMAT:
        raise ValueError(
            f"Got {path} in format {newer}, written by skae {found.get('versions', {}).get('skae')}, but skae "
            f"{__version__} expected a format of at most {FORMAT}: use a newer skae."
        )
    if digest != _digest(text, tensors):
        raise ValueError(f"Got {path}, but expected one that was not changed: its checksum is not that of its contents.")
    try:
        estimator = Reader(tensors).estimator(found, "")
        compare_versions("This file", found["versions"])
    except DAMAGE as error:
        raise ValueError(f"Got {path}, but expected what skae.export.save writes: {error}") from error
    return estimator


def _digest(text, tensors):
    """Compute the checksum of all that a file says."""
    found = hashlib.sha256(text.encode())
    for name, array in sorted(tensors.items()):
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _safetensors():
    """Import the optional library."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("skae.export.save and load need safetensors: pip install skae[safe].") from error
    return safetensors.numpy
