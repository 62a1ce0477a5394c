"""Saving and loading of fitted estimators as safetensors files, with metadata in JSON."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skae._persistence import compare_versions, versions
from skae._version import __version__
from skae.export._serialization import SKAE_ESTIMATORS, Reader, Writer

__all__ = ["load", "save"]

FORMAT = 1
"""Version of the file format, increased when older versions of skae cannot read new files."""

READ_ERRORS = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions that a corrupted file may cause in `Reader`."""


def save(estimator: BaseEstimator, path: str | Path) -> None:
    """Save a fitted estimator of skae to one safetensors file.

    The file holds the pickled state: parameters, fitted attributes, network options and weights. It
    holds no training data, no optimizer and no executable code.

    Parameters
    ----------
    estimator : estimator object
        Fitted :class:`~skae.DenseAutoencoder`, :class:`~skae.ConvAutoencoder`,
        :class:`~skae.LatentCodec`, :class:`~skae.ImageRestorer`,
        :class:`~skae.ReconstructionDetector` or :class:`~skae.LatentSampler`. It may contain, or be
        contained in, scikit-learn's ``Pipeline``, ``FrozenEstimator``, ``StandardScaler``,
        ``MinMaxScaler``, ``PCA``, ``GaussianMixture`` and ``NearestNeighbors``. Use skops or pickle
        for other estimators.
    path : str or pathlib.Path
        Path of the file. An existing file is replaced.

    Raises
    ------
    TypeError
        If `estimator` is of another class, or holds a value that cannot be saved: a function as
        `corruption`, callbacks, a ``RandomState``. The message names the value. Numbers, strings,
        arrays, and lists and dicts of these can be saved. A `solver` of ``torch.optim`` is saved by
        name.
    sklearn.exceptions.NotFittedError
        If `estimator` is not fitted.

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
    ...     loaded = load(Path(folder) / "digits.safetensors")
    >>> bool((loaded.transform(X) == autoencoder.transform(X)).all())
    True
    """
    safetensors = _import_safetensors()
    if type(estimator) not in (*SKAE_ESTIMATORS, Pipeline, FrozenEstimator):
        names = ", ".join(class_.__name__ for class_ in SKAE_ESTIMATORS)
        raise TypeError(
            f"Got {estimator!r}, but expected a fitted {names}, or a Pipeline or FrozenEstimator "
            "with one. Use skops or pickle for other estimators."
        )
    check_is_fitted(estimator)
    writer = Writer()
    content = {"format": FORMAT, "versions": versions(), **writer.write_estimator(estimator, "")}
    text = json.dumps(content, allow_nan=False)
    metadata = {"skae": text, "sha256": _digest(text, writer.tensors)}
    Path(path).write_bytes(safetensors.save(writer.tensors, metadata))


def load(path: str | Path) -> Any:
    """Load an estimator from a file of `save`, without running any code of the file.

    Parameters
    ----------
    path : str or pathlib.Path
        Path of the file.

    Returns
    -------
    estimator : estimator object
        Fitted estimator of the class that was saved. If its `device` is not available, the CPU is
        used, with a warning. A second warning names versions of skae, scikit-learn or torch that
        differ in the major or minor number.

    Raises
    ------
    ValueError
        If the file is corrupted, was changed, is of a newer format, or was not written by `save`.
        The checksum detects accidental changes, not forgery; a forged file can only result in wrong
        numbers.
    """
    safetensors = _import_safetensors()
    data = Path(path).read_bytes()
    try:
        tensors = safetensors.load(data)
        header_size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + header_size])["__metadata__"]
        text, digest = metadata["skae"], metadata["sha256"]
        content = json.loads(text)
        file_format = int(content["format"])
    except Exception as error:  # safetensors raises exceptions of its own
        raise ValueError(
            f"Got {path}, but expected a complete file written by skae.export.save."
        ) from error
    if file_format > FORMAT:
        writer_version = content.get("versions", {}).get("skae")
        raise ValueError(
            f"Got {path} in format {file_format}, written by skae {writer_version}, but skae "
            f"{__version__} expected a format of at most {FORMAT}. Install a newer skae."
        )
    if digest != _digest(text, tensors):
        raise ValueError(
            f"Got {path}, but expected an unchanged file: the checksum does not match the content."
        )
    try:
        estimator = Reader(tensors).read_estimator(content, "")
        compare_versions("This file", content["versions"])
    except READ_ERRORS as error:
        raise ValueError(
            f"Got {path}, but expected a file written by skae.export.save: {error}"
        ) from error
    return estimator


def _digest(text, tensors):
    """Compute the SHA-256 checksum of the content of a file."""
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _import_safetensors():
    """Import the optional library."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "skae.export.save and load need safetensors: pip install skae[safe]."
        ) from error
    return safetensors.numpy
