"""Encoding of codes to messages, and decoding of messages."""

import math
from collections.abc import Iterator
from itertools import chain, starmap
from typing import NamedTuple

from skae.compression import _entropy_coding as entropy_coding
from skae.compression import _message_format as message_format
from skae.compression._range_coder import Reader, Writer
from skae.compression._tiles import grid_shape

__all__ = ["Contents", "read_messages", "write_each_row", "write_message"]


def write_message(model, groups, sizes, fingerprint):
    """Encode rows, or images that are cut into tiles, to one message.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    groups : iterable of (codes, order)
        Codes in units of the step and coding order: of all rows, or of the tiles of each image.
    sizes : list of (height, width)
        Size of each image in pixels; empty for rows.
    fingerprint : bytes
        Fingerprint of the codec.

    Returns
    -------
    message : bytes
        The message.
    """
    writer = Writer()
    n_rows = 0
    for codes, order in groups:
        quantized = entropy_coding.quantize(model, codes, order)
        entropy_coding.write(model, writer, quantized, order)
        n_rows += len(quantized)
    header = [len(sizes), *chain.from_iterable(sizes)]
    if not sizes:
        header = [n_rows]
    payload = writer.getvalue()
    # zeros up to the length that `check_count` requires
    min_length = -(-n_rows // message_format.MAX_IMAGES_PER_BYTE) - 1
    payload += bytes(max(0, min_length - len(payload)))
    return message_format.pack(payload, header, fingerprint)


def write_each_row(model, codes, order, fingerprint):
    """Encode each row of codes to a message of its own; parameters as in `write_message`."""
    quantized = entropy_coding.quantize(model, codes, order)
    writers = [Writer() for _ in quantized]
    for batch in order.batches:
        model.write(writers[batch], quantized[batch], order.neighbors[batch])
    return [message_format.pack(writer.getvalue(), [1], fingerprint) for writer in writers]


class Contents(NamedTuple):
    """Contents of messages: headers that are read, and codes that are not decoded yet.

    Attributes
    ----------
    n_rows : int
        Number of rows, or of tiles of all images.
    sizes : list of (height, width)
        Size of each image in pixels; empty for rows.
    blocks : iterator of ndarray of shape (n, k)
        Quantized codes, which are decoded when they are iterated over.
    """

    n_rows: int
    sizes: list
    blocks: Iterator


def read_messages(model, messages, fingerprint, tile):
    """Read the headers of messages.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    messages : bytes or list of bytes
        Messages that `write_message` or `write_each_row` returned.
    fingerprint : bytes
        Fingerprint of the codec.
    tile : int or None
        Side of a tile in pixels; None for rows.

    Returns
    -------
    contents : Contents
        Contents of all messages.
    """
    n_rows, sizes, blocks = 0, [], []
    for message in message_format.as_message_list(messages):
        body = message_format.unpack(message, fingerprint)
        (count,), body = message_format.read_varints(body, 1)
        message_format.check_count(count, len(body))
        if tile is None:
            orders = entropy_coding.row_orders(count)
        else:
            lengths, body = message_format.read_varints(body, 2 * count)
            image_sizes = list(zip(lengths[::2], lengths[1::2], strict=True))
            shapes = [grid_shape(height, width, tile) for height, width in image_sizes]
            count = 0
            if min(lengths) > 0:
                count = sum(math.prod(shape) for shape in shapes)
            message_format.check_count(count, len(body))
            orders = starmap(entropy_coding.tile_order, shapes)
            sizes += image_sizes
        n_rows += count
        blocks.append(_read_blocks(model, Reader(body), orders))
    return Contents(n_rows, sizes, chain.from_iterable(blocks))


def _read_blocks(model, reader, orders):
    """Yield the quantized codes of some rows, or of the tiles of an image, for each order."""
    for order in orders:
        yield entropy_coding.read(model, reader, order)
