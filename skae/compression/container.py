"""What stands around the coded numbers: whose they are, how many, and a checksum.

::

    1 byte    magic and version
    2 bytes   the model's fingerprint
    varints   number of images; height and width of each, if images are cut into tiles
    ...       the numbers
    2 bytes   checksum, 4 in messages of 64 bytes or more; the model's whole fingerprint is part of what is summed

The length is that of the message, so it isn't written.
"""

import binascii
import zlib

__all__ = ["MOST_PER_BYTE", "check_count", "listed", "pack", "take", "unpack"]

MAGIC, VERSION = 0xA0, 2
LONG = 64
MOST_PER_BYTE = 64
"""How many images may be in a byte: a message can't announce much more than it has."""


def _checksum(message, fingerprint, length):
    """Sum a message up."""
    if length == 2:
        # inverted, as zlib's is: otherwise a message with a zero behind it would be right as well
        return (binascii.crc_hqx(fingerprint + message, 0xFFFF) ^ 0xFFFF).to_bytes(2, "big")
    return zlib.crc32(fingerprint + message).to_bytes(4, "big")


def _varint(number):
    """Write a whole number in as few bytes of 7 bits as it needs."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def pack(payload, numbers, fingerprint):
    """Put a message together.

    Parameters
    ----------
    payload : bytes
        The coded numbers.
    numbers : list of int
        What the header says, each 0 or more.
    fingerprint : bytes
        The model's.

    Returns
    -------
    message : bytes
    """
    message = bytes([MAGIC | VERSION]) + fingerprint[:2] + b"".join(map(_varint, numbers)) + payload
    return message + _checksum(message, fingerprint, 2 if len(message) + 2 < LONG else 4)


def unpack(message, fingerprint):
    """Check a message, and give what is between header and checksum.

    Parameters
    ----------
    message : bytes-like
        As `pack` gave it.
    fingerprint : bytes
        The model's.

    Returns
    -------
    body : bytes
        Numbers of the header, which `take` reads, and payload.
    """
    if not isinstance(message, bytes | bytearray | memoryview):
        raise TypeError(f"Got {type(message).__name__}, but expected bytes that compress gave.")
    message = bytes(message)
    if len(message) < 6 or message[0] & 0xF0 != MAGIC:
        raise ValueError(f"Got {len(message)} bytes that are no message of a LatentCodec, or not the beginning of one.")
    if message[0] & 0x0F != VERSION:
        raise ValueError(f"Got bytes of format version {message[0] & 0x0F}, but expected {VERSION}; they may be damaged.")
    if message[1:3] != fingerprint[:2]:
        raise ValueError(
            f"Got bytes of the model {message[1:3].hex()}, but expected {fingerprint[:2].hex()}: they were written by another "
            "codec, or are damaged."
        )
    length = 2 if len(message) < LONG else 4
    if _checksum(message[:-length], fingerprint, length) != message[-length:]:
        raise ValueError("Got bytes whose checksum is wrong: they are damaged, cut off, or written by another codec.")
    return message[3:-length]


def take(body, count):
    """Read `count` numbers off the beginning of a body; gives them, and the rest."""
    numbers, place = [], 0
    for _ in range(count):
        number = shift = 0
        while True:
            if place >= len(body) or shift > 56:
                raise ValueError("Got bytes whose header is incomplete.")
            number |= (body[place] & 127) << shift
            shift += 7
            place += 1
            if body[place - 1] < 128:
                break
        numbers.append(number)
    return numbers, body[place:]


def check_count(count, length):
    """Refuse to read more images, or tiles, than so many bytes can hold."""
    if not 1 <= count <= MOST_PER_BYTE * (length + 1):
        raise ValueError(
            f"Got bytes that announce {count} images, but expected 1 to {MOST_PER_BYTE * (length + 1)} of {length} bytes."
        )


def listed(message):
    """Give a list of messages, also of one."""
    found = list(message) if isinstance(message, list | tuple) else [message]
    if not found:
        raise ValueError("Got no messages, but expected at least one.")
    return found
