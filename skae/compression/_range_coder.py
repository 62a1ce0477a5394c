"""Range coding of symbols under integer weights, by the constriction library."""

import numpy as np

__all__ = ["MAX_EXCESS", "Reader", "Writer"]

MAX_EXCESS = 2**40
"""Bound of the excess of a value over its table: such values are exact in float64."""

CHUNK_BITS = 16
"""Bits of an excess that are coded at once: constriction's models have at most 24 bits."""


def _import_coder():
    """Import constriction's stream codes."""
    try:
        import constriction
    except ImportError as error:
        raise ImportError(
            "Compression needs the package constriction: pip install skae[compression]."
        ) from error
    return constriction.stream


class Writer:
    """A range encoder of symbols."""

    def __init__(self):
        stream = _import_coder()
        self._family = stream.model.Categorical(perfect=False)
        self._uniform = stream.model.Uniform
        self._encoder = stream.queue.RangeEncoder()

    def write(self, symbols, weights):
        """Encode symbols.

        Parameters
        ----------
        symbols : ndarray of shape (n,)
            Integers from 0 to a - 1.
        weights : ndarray of shape (n, a)
            Unnormalized probabilities of the symbols: integers as float64.
        """
        # constriction scales the weights to frequencies of 24 bits by basic operations of
        # IEEE 754, and these have the same results on every machine
        self._encoder.encode(
            np.ascontiguousarray(symbols, np.int32), self._family, np.ascontiguousarray(weights)
        )

    def write_excess(self, excess):
        """Encode an int >= 0 and below `MAX_EXCESS` in the Elias gamma code."""
        length = int(excess + 1).bit_length()
        self._write_bits(length - 1, 6)
        self._write_bits(int(excess + 1) - (1 << (length - 1)), length - 1)

    def _write_bits(self, value, n_bits):
        """Encode the lowest bits of an int, all equally likely."""
        while n_bits > 0:
            size = min(CHUNK_BITS, n_bits)
            self._encoder.encode(value & ((1 << size) - 1), self._uniform(1 << size))
            value >>= size
            n_bits -= size

    def getvalue(self):
        """Return the shortest bytes that decode to the encoded symbols if zeros follow them."""
        words, (low, width) = self._encoder.pos()
        if not self._encoder.num_words():
            return b""
        sealed = self._encoder.get_compressed()
        total = 4 * (words + 2)
        n_missing = total - 4 * len(sealed)
        point = int.from_bytes(sealed.astype(">u4").tobytes(), "big") << 8 * n_missing
        # every number from low to low + width decodes to the same symbols
        low = point - (point - int(low)) % 2**64
        for length in range(total + 1):
            shift = 8 * (total - length)
            value = -(-low >> shift)
            if value << shift < low + int(width):
                return value.to_bytes(length, "big")
        raise AssertionError("the range of a coder is never empty")


class Reader:
    """A range decoder of symbols."""

    def __init__(self, content):
        stream = _import_coder()
        self._family = stream.model.Categorical(perfect=False)
        self._uniform = stream.model.Uniform
        words = np.frombuffer(content + bytes(-len(content) % 4), ">u4").astype(np.uint32)
        self._decoder = stream.queue.RangeDecoder(words)

    def read(self, weights):
        """Decode one symbol per row of `weights`, shape (n, a); return an ndarray of shape (n,)."""
        return self._decode(self._family, np.ascontiguousarray(weights))

    def read_excess(self):
        """Decode an int that `Writer.write_excess` encoded."""
        length = self._read_bits(6)
        if 1 << length > MAX_EXCESS:
            raise ValueError(
                f"Got a message with an excess of 2**{length} - 1 or more, but expected less than "
                f"{MAX_EXCESS}, although its checksum is right. "
                "No codec writes such a value."
            )
        return (1 << length) + self._read_bits(length) - 1

    def _read_bits(self, n_bits):
        """Decode an int of so many bits, all equally likely."""
        value = n_read = 0
        while n_bits > n_read:
            size = min(CHUNK_BITS, n_bits - n_read)
            value |= int(self._decode(self._uniform(1 << size))) << n_read
            n_read += size
        return value

    def _decode(self, *model):
        """Decode under a model of constriction."""
        try:
            return self._decoder.decode(*model)
        except AssertionError as error:  # constriction raises it for bytes that no encoder writes
            raise ValueError(
                "Got a message that no codec writes, although its checksum is right."
            ) from error
