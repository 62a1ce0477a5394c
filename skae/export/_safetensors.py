"""Saving and loading of fitted estimators as safetensors files, with metadata in JSON."""

import json
import os
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skae._files.container import import_safetensors, pack_arrays, parse_json, unpack_arrays
from skae._files.reading import check_format, read_file
from skae._files.writing import write_atomically
from skae._persistence import compare_versions, versions
from skae._warnings import warn_user
from skae.export._compound_kinds import Fields
from skae.export._kinds import Text
from skae.export._schema import ESTIMATORS, OUTERMOST, SCHEMA
from skae.export._serialization import Reader, Writer
from skae.networks.layers import OWN_MODULES

__all__ = ["load", "save"]

FORMATS = range(2, 3)
"""Versions of the file format that are read; the last one is written.

The version increases with each name that the schema gains or loses, because earlier releases refuse
unknown names. A release reads the formats of all earlier releases. Format 1 was never released.
"""

MEMORY_FACTOR, MEMORY_BYTES = 4, 2**26
"""Default maximum of memory: this multiple of the file's size, plus 64 MiB.

The file, its arrays and the network are three times the size.
"""

VERSION = Text(40, "[0-9A-Za-z.+]*")
VERSIONS = Fields(dict.fromkeys(versions(), VERSION), complete=True)


def save(estimator: BaseEstimator, path: str | Path) -> None:
    """Save a fitted estimator of skae to one safetensors file.

    The file holds the pickled state: parameters, fitted attributes, network options and weights. It
    holds no training data, no optimizer and no executable code. Options of ``torch.compile`` in
    `net_params` are not saved, with a warning, and neither is `checkpoint_dir`.

    Parameters
    ----------
    estimator : estimator object
        Fitted :class:`~skae.DenseAutoencoder`, :class:`~skae.ConvAutoencoder`,
        :class:`~skae.ModuleAutoencoder`, :class:`~skae.LatentCodec`, :class:`~skae.ImageRestorer`,
        :class:`~skae.ReconstructionDetector`, :class:`~skae.LatentSampler` or
        :class:`~skae.AutoencoderImputer`. It may contain, or be contained in, scikit-learn's
        ``Pipeline``, ``FrozenEstimator``, ``StandardScaler``, ``MinMaxScaler``, ``PCA``,
        ``GaussianMixture`` and ``NearestNeighbors``. Use skops or pickle for other estimators.
    path : str or pathlib.Path
        Path of the file. An existing file is replaced at once when the new one is complete, so that
        no error, and no end of the process, leaves a damaged file.

    Raises
    ------
    TypeError
        If `estimator` is of another class, or holds a value that cannot be saved: a function as
        `corruption`, callbacks, a ``RandomState``. The message names the value. A `solver` of
        ``torch.optim`` is saved by name.
    ValueError
        If `estimator` has an attribute or a parameter that the file format does not declare, NaN or
        infinite weights, or if `path` is a device or a pipe.
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
    >>> autoencoder = DenseAutoencoder(8, max_iter=8, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     save(autoencoder, Path(folder) / "digits.safetensors")
    ...     loaded = load(Path(folder) / "digits.safetensors")
    >>> bool((loaded.transform(X) == autoencoder.transform(X)).all())
    True
    """
    import_safetensors()
    if type(estimator) not in [SCHEMA[name].class_ for name in OUTERMOST]:
        names = ", ".join(ESTIMATORS)
        raise TypeError(
            f"Got {estimator!r}, but expected a fitted {names}, or a Pipeline or FrozenEstimator "
            "with one. Use skops or pickle for other estimators."
        )
    check_is_fitted(estimator)
    writer = Writer()
    content = writer.write_estimator(estimator, "")
    # whatever is written can be read
    Reader(writer.arrays, modules=writer.modules).read_outermost(content, OUTERMOST)
    if writer.dropped:
        warn_user(
            f"Got net_params with {', '.join(writer.dropped)}, which is not saved: a file has no "
            "options of torch.compile. Set them again with set_params after load."
        )
    content = {"format": FORMATS[-1], "versions": versions(), **content}
    write_atomically(path, pack_arrays(json.dumps(content, allow_nan=False), writer.arrays))


def load(
    path: str | Path,
    *,
    max_bytes: int | None = None,
    modules: dict[str, Any] | None = None,
) -> Any:
    """Load an estimator from a file of `save`, without running any code of the file.

    The file names classes of a fixed list. Each class has declared fields with types and bounds,
    and all values are checked before an object is built. So a file of unknown origin can only
    result in wrong numbers.

    Parameters
    ----------
    path : str or pathlib.Path
        Path of the file, which must be a regular file.
    max_bytes : int, default=None
        Maximum memory in bytes for the file, its arrays and the estimator. None: four times the
        size of the file, plus 64 MiB.
    modules : dict, default=None
        ``{"encoder": ..., "decoder": ...}``, the classes, functions or modules of a
        :class:`~skae.ModuleAutoencoder`, as they were in fit. They are called with the parameters
        of the file. Other files ignore them.

    Returns
    -------
    estimator : estimator object
        Fitted estimator of the class that was saved. If its `device` is not available, the CPU is
        used, with a warning. A second warning names versions of skae, scikit-learn or torch that
        differ in the major or minor number.

    Raises
    ------
    ValueError
        If the file is corrupted, was changed, is of a newer format, was not written by `save`, or
        needs more than `max_bytes`. The checksum detects accidental changes, not forgery. Also if
        the file needs `modules`, or if these have other weights.
    """
    _check_modules(modules)
    data = read_file(path, max_bytes)
    if max_bytes is None:
        max_bytes = MEMORY_FACTOR * len(data) + MEMORY_BYTES
    try:
        text, arrays = unpack_arrays(data)
        content = parse_json(text)
        if not isinstance(content, dict) or not {"format", "versions"} <= set(content):
            raise ValueError("Got other content than that of an estimator.")
    except ValueError as error:
        raise ValueError(
            f"Got {os.fspath(path)}, but expected a complete and unchanged file written by "
            f"skae.export.save: {error}"
        ) from error
    file_format, saved_versions = content.pop("format"), content.pop("versions")
    writer_version = "of unknown version"
    if isinstance(saved_versions, dict):
        writer_version = saved_versions.get("skae")
    check_format(path, file_format, FORMATS, writer_version)
    try:
        reader = Reader(arrays, max_bytes, modules)
        reader.charge(len(data), "the file")
        VERSIONS.read({"dict": saved_versions}, "versions", reader)
        node = reader.read_outermost(content, OUTERMOST)
    except ValueError as error:
        raise ValueError(
            f"Got {os.fspath(path)}, but expected a file written by skae.export.save: {error}"
        ) from error
    del data
    estimator = reader.build(node)
    compare_versions("This file", saved_versions)
    return estimator


def _check_modules(modules):
    """Raise an error if `modules` is no dict of an encoder and a decoder."""
    if modules is None:
        return
    is_known = isinstance(modules, dict) and set(modules) <= set(OWN_MODULES)
    if not is_known or not all(callable(module) for module in modules.values()):
        raise TypeError(
            f"Got modules={modules!r:.200}, but expected a dict with the keys 'encoder' and "
            "'decoder' of classes, functions or modules."
        )
