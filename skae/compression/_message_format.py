"""The message format: the header before the entropy-coded codes, and the checksum after them.

::

    1 byte    magic number and format version
    2 bytes   first bytes of the codec's fingerprint
    varints   number of images; height and width of each, if images are cut into tiles
    ...       entropy-coded codes
    2 bytes   checksum, 4 bytes in messages of 64 bytes or more; it covers the whole fingerprint

The length of the message is not stored, because the caller's bytes object has it.
"""

import binascii
import itertools
import zlib

__all__ = [
    "MAX_IMAGES_PER_BYTE",
    "as_message_list",
    "check_count",
    "pack",
    "read_varints",
    "unpack",
]

MAGIC, VERSION = 0xA0, 2

LONG_MESSAGE = 64
"""Length in bytes from which a message has a checksum of 4 bytes: the larger one then costs 3 %."""

MAX_IMAGES_PER_BYTE = 64
"""Images, or tiles, per byte of a message: a bound of the memory that a forged header requests."""


def _checksum(content, fingerprint):
    """Return the checksum of a message, of 2 or 4 bytes, given the bytes before it."""
    if len(content) + 2 < LONG_MESSAGE:
        # inverted as in zlib, because otherwise appending a zero would keep the checksum valid
        return (binascii.crc_hqx(fingerprint + content, 0xFFFF) ^ 0xFFFF).to_bytes(2, "big")
    return zlib.crc32(fingerprint + content).to_bytes(4, "big")


def _varint(value):
    """Encode an int as a varint: 7 bits a byte, least significant first."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def pack(payload, header, fingerprint):
    """Build a message.

    Parameters
    ----------
    payload : bytes
        The entropy-coded codes.
    header : list of int
        Numbers of the header, each 0 or more.
    fingerprint : bytes
        Fingerprint of the codec.

    Returns
    -------
    message : bytes
        The message in the format of this module.
    """
    content = bytes([MAGIC | VERSION]) + fingerprint[:2] + b"".join(map(_varint, header)) + payload
    return content + _checksum(content, fingerprint)


def unpack(message, fingerprint):
    """Validate a message and return its bytes between fingerprint and checksum.

    Parameters
    ----------
    message : bytes-like
        A message built by `pack`.
    fingerprint : bytes
        Fingerprint of the codec.

    Returns
    -------
    body : bytes
        Numbers of the header, for `read_varints`, and the payload.
    """
    if not isinstance(message, bytes | bytearray | memoryview):
        raise TypeError(f"Got {type(message).__name__}, but expected bytes that compress returned.")
    message = bytes(message)
    if len(message) < 6 or message[0] & 0xF0 != MAGIC:
        raise ValueError(
            f"Got {len(message)} bytes, which are not the beginning of a LatentCodec message."
        )
    if message[0] & 0x0F != VERSION:
        raise ValueError(
            f"Got a message of format version {message[0] & 0x0F}, but expected {VERSION}. "
            "The bytes may be damaged."
        )
    if message[1:3] != fingerprint[:2]:
        raise ValueError(
            f"Got a message with the fingerprint {message[1:3].hex()}, but expected "
            f"{fingerprint[:2].hex()}: it was written by another codec, or is damaged."
        )
    content = message[:-4]
    if len(message) < LONG_MESSAGE:
        content = message[:-2]
    if message != content + _checksum(content, fingerprint):
        raise ValueError(
            "Got a message with a wrong checksum: it is damaged, truncated, or written by another "
            "codec."
        )
    return content[3:]


def read_varints(body, count):
    """Read `count` varints from the beginning of a body; return them as a list, and the rest."""
    remaining = iter(body)
    values = [_read_varint(remaining) for _ in range(count)]
    return values, bytes(remaining)


def _read_varint(remaining):
    """Read one varint of at most 9 bytes from an iterator of bytes."""
    value = 0
    for i, byte in enumerate(itertools.islice(remaining, 9)):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value
    raise ValueError("Got a message with an incomplete header.")


def check_count(count, length):
    """Check that `length` bytes can hold `count` images, or tiles."""
    max_count = MAX_IMAGES_PER_BYTE * (length + 1)
    if not 1 <= count <= max_count:
        raise ValueError(
            f"Got a header that announces {count} images or tiles, but {length} bytes "
            f"hold 1 to {max_count}."
        )


def as_message_list(message):
    """Return a list of messages, given one message or a list of them."""
    messages = [message]
    if isinstance(message, list | tuple):
        messages = list(message)
    if not messages:
        raise ValueError("Got no messages, but expected at least one.")
    return messages
