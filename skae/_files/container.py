"""Containers: safetensors files of named arrays with a JSON text and a checksum.

The metadata of a container has two entries: the JSON text, and the SHA-256 checksum of the text and
of all arrays. A container is checked before memory is taken for its arrays.
"""

import hashlib
import json
import math

import numpy as np

__all__ = ["digest", "import_safetensors", "pack_arrays", "parse_json", "unpack_arrays"]

DTYPES = {
    "BOOL": "|b1",
    "I8": "|i1",
    "U8": "|u1",
    "I16": "<i2",
    "U16": "<u2",
    "F16": "<f2",
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "I64": "<i8",
    "U64": "<u8",
    "F64": "<f8",
}
"""Dtypes of arrays in a container, by their names in safetensors."""

MAX_DIMENSIONS = 8
"""Maximum number of dimensions of an array in a container."""

MAX_HEADER_BYTES = 2**24
"""Maximum size of the header of a container, which has the JSON text: 16 MiB."""

MAX_JSON_ITEMS = 250_000
"""Maximum number of values in a JSON text, each of which takes about 100 bytes when it is parsed.

An estimator has a few hundred values, and one for each epoch, column name and class.
"""

MAX_JSON_DEPTH = 64
"""Maximum nesting depth of a JSON text."""


def parse_json(text):
    """Parse a JSON text of bounded size, without duplicate keys and without NaN and infinity.

    Parameters
    ----------
    text : str
        The JSON text.

    Returns
    -------
    content : object
        Lists, dicts, strings, numbers, booleans and None.
    """
    n_items = text.count(",") + text.count("[") + text.count("{")
    if n_items > MAX_JSON_ITEMS:
        raise ValueError(
            f"Got a JSON text of about {n_items} values, but expected at most {MAX_JSON_ITEMS}."
        )
    try:
        content = json.loads(
            text, object_pairs_hook=_dict_without_duplicates, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise ValueError("Got a JSON text that is nested too deeply.") from error
    _check_depth(content)
    return content


def _dict_without_duplicates(pairs):
    """Return the pairs of a JSON object as a dict, and refuse duplicate keys."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("Got a JSON object with a duplicate key.")
    return content


def _refuse_constant(name):
    """Refuse NaN and infinity, which are not JSON."""
    raise ValueError(f"Got {name} in a JSON text.")


def _check_depth(content):
    """Raise an error if lists and dicts are nested in more than `MAX_JSON_DEPTH` levels."""
    level = [content]
    for _ in range(MAX_JSON_DEPTH):
        next_level = []
        for value in level:
            if isinstance(value, dict):
                next_level.extend(value.values())
            elif isinstance(value, list):
                next_level.extend(value)
        if not next_level:
            return
        level = next_level
    raise ValueError(f"Got a JSON text nested in more than {MAX_JSON_DEPTH} levels.")


def pack_arrays(text, arrays):
    """Build a container.

    Parameters
    ----------
    text : str
        JSON text.
    arrays : dict of ndarray
        Numeric arrays by name.

    Returns
    -------
    content : bytes
        The container.
    """
    safetensors = import_safetensors()
    content = safetensors.save(arrays, {"skae": text, "sha256": digest(text, arrays)})
    header_size = int.from_bytes(content[:8], "little")
    n_items = text.count(",") + text.count("[") + text.count("{")
    if header_size > MAX_HEADER_BYTES or n_items > MAX_JSON_ITEMS:
        raise ValueError(
            f"Got an estimator with {n_items} values in {header_size} bytes of JSON, but expected "
            f"at most {MAX_JSON_ITEMS} values in {MAX_HEADER_BYTES} bytes. Names of columns and "
            "losses of epochs are such values."
        )
    return content


def unpack_arrays(content):
    """Check a container, and return its JSON text and its arrays.

    Parameters
    ----------
    content : bytes
        The container.

    Returns
    -------
    text : str
        JSON text, for `parse_json`.
    arrays : dict of ndarray
        Numeric arrays by name.

    Raises
    ------
    ValueError
        If the content is damaged, or is no container.
    """
    metadata = _check_header(content)
    safetensors = import_safetensors()
    try:
        arrays = safetensors.load(content)
    except Exception as error:  # safetensors raises exceptions of its own
        raise ValueError(f"safetensors can't read the content: {error}") from error
    if digest(metadata["skae"], arrays) != metadata["sha256"]:
        raise ValueError("Got a wrong checksum, but expected an unchanged file.")
    return metadata["skae"], arrays


def _check_header(content):
    """Check the header of a container against its size, and return the metadata."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(len(content) - 8, MAX_HEADER_BYTES):
        raise ValueError(f"Got {len(content)} bytes, but expected a complete header.")
    header = parse_json(content[8 : 8 + size].decode())
    if not isinstance(header, dict):
        raise ValueError("Got a header that is no JSON object.")
    metadata = header.pop("__metadata__", None)
    is_pair = isinstance(metadata, dict) and set(metadata) == {"skae", "sha256"}
    if not is_pair or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("Got other metadata than the JSON text of skae and its checksum.")
    ranges = sorted(_byte_range(entry) for entry in header.values())
    end = 0
    for start, stop in ranges:
        if start != end:
            raise ValueError("Got arrays that overlap, or with bytes between them.")
        end = stop
    if end != len(content) - 8 - size:
        raise ValueError(
            f"Got arrays of {end} bytes, but expected {len(content) - 8 - size} bytes."
        )
    return metadata


def _byte_range(entry):
    """Return the first and last byte of an array, from its checked entry in the header."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError("Got an array without dtype, shape and offsets.")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"Got an array of dtype {dtype!r:.40}.")
    if not _are_counts(shape) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"Got an array of shape {shape!r:.80}.")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"Got an array with the offsets {offsets!r:.80}.")
    n_bytes = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != n_bytes:
        raise ValueError(f"Got an array of shape {shape!r:.80} with the offsets {offsets!r:.80}.")
    return offsets[0], offsets[1]


def _are_counts(values):
    """Return whether a value is a list of ints of at least 0."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 2**62 for value in values
    )


def digest(text, arrays):
    """Compute the SHA-256 checksum of the content of a container."""
    checksum = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        checksum.update(f"{name} {array.dtype.str} {array.shape}".encode())
        checksum.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return checksum.hexdigest()


def import_safetensors():
    """Import the optional library."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "skae.export.save and load need safetensors: pip install skae[safe]."
        ) from error
    return safetensors.numpy
