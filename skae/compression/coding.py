"""Whole numbers into bytes and back, by constriction's range coder under integer weights."""

import numpy as np

__all__ = ["MOST_EXCESS", "Reader", "Writer"]

MOST_EXCESS = 2**40
"""How far beyond its table a number may lie."""

CHUNK = 16
"""Bits of an excess that are coded at once."""


def _coder():
    try:
        import constriction
    except ImportError as error:
        raise ImportError("Compression needs the package constriction: pip install skae[compression].") from error
    return constriction.stream


class Writer:
    """A stream of symbols under weights."""

    def __init__(self):
        stream = _coder()
        self._family = stream.model.Categorical(perfect=False)
        self._uniform = stream.model.Uniform
        self._encoder = stream.queue.RangeEncoder()

    def write(self, symbols, weights):
        """Append symbols.

        Parameters
        ----------
        symbols : ndarray of shape (n,)
            Whole numbers from 0 to a - 1.
        weights : ndarray of shape (n, a)
            Whole numbers that say how likely each symbol is, float64.
        """
        # the weights become frequencies of 24 bits by basic operations of IEEE 754, which are the same on every machine
        self._encoder.encode(np.ascontiguousarray(symbols, np.int32), self._family, np.ascontiguousarray(weights))

    def write_excess(self, excess):
        """Append how far a number lies beyond its table: 0 or more, less than `MOST_EXCESS`; Elias' gamma code."""
        length = int(excess + 1).bit_length()
        self._bits(length - 1, 6)
        self._bits(int(excess + 1) - (1 << (length - 1)), length - 1)

    def _bits(self, number, count):
        while count > 0:
            part = min(CHUNK, count)
            self._encoder.encode(number & ((1 << part) - 1), self._uniform(1 << part))
            number, count = number >> part, count - part

    def getvalue(self):
        """Give the fewest bytes that, followed by zeros, are read as these symbols."""
        words, (low, width) = self._encoder.pos()
        if not self._encoder.num_words():
            return b""
        sealed = self._encoder.get_compressed()
        total = 4 * (words + 2)
        point = int.from_bytes(sealed.astype(">u4").tobytes(), "big") << 8 * (total - 4 * len(sealed))
        low = point - (point - int(low)) % 2**64  # any number from here to here + width does
        for length in range(total + 1):
            unit = 8 * (total - length)
            number = -(-low >> unit)
            if number << unit < low + int(width):
                return number.to_bytes(length, "big")
        raise AssertionError("a range is never empty")


class Reader:
    """The symbols of a stream."""

    def __init__(self, content):
        stream = _coder()
        self._family = stream.model.Categorical(perfect=False)
        self._uniform = stream.model.Uniform
        words = np.frombuffer(content + bytes(-len(content) % 4), ">u4").astype(np.uint32)
        self._decoder = stream.queue.RangeDecoder(words)

    def read(self, weights):
        """Read a symbol for each row of `weights`, as `Writer.write` has them; gives an ndarray of shape (n,)."""
        return self._decode(self._family, np.ascontiguousarray(weights))

    def read_excess(self):
        """Read what `Writer.write_excess` wrote."""
        length = self._bits(6)
        if 1 << length > MOST_EXCESS:
            raise ValueError("Got bytes with a number that no codec writes, though their checksum is right.")
        return (1 << length) + self._bits(length) - 1

    def _bits(self, count):
        number = done = 0
        while count > done:
            part = min(CHUNK, count - done)
            number |= int(self._decode(self._uniform(1 << part))) << done
            done += part
        return number

    def _decode(self, *model):
        try:
            return self._decoder.decode(*model)
        except AssertionError as error:  # constriction's for what no encoder writes
            raise ValueError("Got bytes that are coded as no codec does it, though their checksum is right.") from error
