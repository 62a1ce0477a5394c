"""Encoding of quantized codes to messages, decoding of messages, and fingerprints of codecs."""

import hashlib
import math

import numpy as np

from skae.compression import _message_format as message_format
from skae.compression import _row_coding as row_coding
from skae.compression import _tile_coding as tile_coding
from skae.compression._range_coder import Reader, Writer
from skae.compression._tiles import grid_shape

__all__ = [
    "compute_fingerprint",
    "read_images",
    "read_rows",
    "write_each_row",
    "write_images",
    "write_rows",
]


def compute_fingerprint(model, arrays, settings):
    """Return the SHA-256 hash of all that is needed to decode messages.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    arrays : list of ndarray
        Steps, and inputs and outputs of the decoder.
    settings : str
        Values other than arrays, such as the dtype.

    Returns
    -------
    fingerprint : bytes
        The hash of 32 bytes.
    """
    fingerprint = hashlib.sha256(model.digest())
    for array in arrays:
        fingerprint.update(np.ascontiguousarray(array, "<f8").tobytes())
    fingerprint.update(settings.encode())
    return fingerprint.digest()


def write_rows(model, quantized, fingerprint):
    """Encode rows to one message.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    quantized : ndarray of shape (n, k)
        Quantized codes of the rows.
    fingerprint : bytes
        Fingerprint of the codec.

    Returns
    -------
    message : bytes
        The message.
    """
    writer = Writer()
    row_coding.write(model, [writer], quantized)
    return _pack(writer, [len(quantized)], len(quantized), fingerprint)


def write_each_row(model, quantized, fingerprint):
    """Encode each row to a message of its own; parameters as in `write_rows`."""
    writers = [Writer() for _ in quantized]
    row_coding.write(model, writers, quantized)
    return [_pack(writer, [1], 1, fingerprint) for writer in writers]


def write_images(model, images, grids, fingerprint):
    """Encode images that are cut into tiles to one message.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    images : list of ndarray of shape (H, W) or (H, W, C)
        The images, for their sizes in the header.
    grids : iterable of (quantized, shape)
        Quantized codes of the tiles of each image, and rows and columns of tiles.
    fingerprint : bytes
        Fingerprint of the codec.

    Returns
    -------
    message : bytes
        The message.
    """
    header = [len(images)]
    for image in images:
        header += image.shape[:2]
    writer = Writer()
    n_tiles = 0
    for quantized, shape in grids:
        tile_coding.write(model, writer, quantized, shape)
        n_tiles += len(quantized)
    return _pack(writer, header, n_tiles, fingerprint)


def _pack(writer, header, n_rows, fingerprint):
    """Build a message, with zeros appended up to the length that `check_count` requires."""
    payload = writer.getvalue()
    min_length = -(-n_rows // message_format.MAX_IMAGES_PER_BYTE) - 1
    payload += bytes(max(0, min_length - len(payload)))
    return message_format.pack(payload, header, fingerprint)


def read_rows(model, message, fingerprint):
    """Decode the quantized codes of rows from a message, an ndarray of shape (n, k)."""
    body = message_format.unpack(message, fingerprint)
    (n,), body = message_format.read_varints(body, 1)
    message_format.check_count(n, len(body))
    return row_coding.read(model, Reader(body), n)


def read_images(model, message, fingerprint, tile):
    """Decode the images of a message that are cut into tiles.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    message : bytes
        A message that `write_images` returned.
    fingerprint : bytes
        Fingerprint of the codec.
    tile : int
        Side of a tile in pixels.

    Returns
    -------
    quantized : ndarray of shape (n_tiles, k)
        Quantized codes of the tiles of all images.
    sizes : list of (height, width)
        Size of each image in pixels.
    """
    body = message_format.unpack(message, fingerprint)
    (n_images,), body = message_format.read_varints(body, 1)
    message_format.check_count(n_images, len(body))
    lengths, body = message_format.read_varints(body, 2 * n_images)
    sizes = list(zip(lengths[::2], lengths[1::2], strict=True))
    shapes = [grid_shape(height, width, tile) for height, width in sizes]
    n_tiles = 0
    if min(lengths) > 0:
        n_tiles = sum(math.prod(shape) for shape in shapes)
    message_format.check_count(n_tiles, len(body))
    reader = Reader(body)
    quantized = [tile_coding.read(model, reader, shape) for shape in shapes]
    return np.concatenate(quantized), sizes
