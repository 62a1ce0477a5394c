"""How likely each whole number is: tables, tilted by a small network of whole numbers that sees the numbers before.

All that a decoder computes is a sum or product of whole numbers below 2**53 in float64, a shift or a look-up. Those are exact,
in whatever order they are added, so that every machine finds the same weights.
"""

import hashlib
import math

import numpy as np

from skae.compression.coding import MOST_EXCESS
from skae.compression.learning import learn

__all__ = ["PRICE", "SymbolModel", "choose_roughly"]

MOST_SYMBOLS = 1024
"""Of a table; numbers beyond it are written as an escape and a distance."""

TILTS = 6
"""Functions of a number that the network weighs."""

TABLE, TILT, HIDDEN, WEIGHT, OUT = 2.0**22, 2.0**10, 2.0**8, 2.0**16, 2.0**12
"""In how many parts one is cut: logarithms of tables, tilts, hidden units, weights on them, and from them."""

POWERS = 64
"""Steps between two powers of two."""

MOST_HELD_OUT = 2000
"""Rows that say whether the network pays."""

PRICE = math.log(2) / 6
"""What a bit is worth in squared steps: a step of D leaves an error of D^2 / 12, and half of it takes a bit more."""


class SymbolModel:
    """The distribution of rows of whole numbers, one column after the other.

    The weight of a number is a power of two: the exponent is that of the column's table, and a few smooth functions of the
    number times what the network says, ``V @ max(0, c + W @ numbers before)``: the network of the neural autoregressive
    distribution estimator. It sees the magnitudes of the numbers as well: where some are large, others are.

    Parameters
    ----------
    numbers : ndarray of shape (n_samples, k)
        Whole numbers to learn from.
    before : ndarray of shape (n_samples, e)
        Whole numbers known beforehand.
    hidden : int
        Units of the network; 0 for tables alone.
    seed : int
        Of the network.
    role : ndarray of shape (n_samples,), default=None
        1 for the rows that the network learns from, 0 for those that say whether it pays; None draws some.
    price : float, default=PRICE
        What a bit is worth in squared steps where codes are rounded; 0 rounds to the nearest number.
    """

    def __init__(self, numbers, before, hidden, seed, role=None, price=PRICE):
        self.price = price
        self.order = np.argsort(-numbers.std(0), kind="stable")
        original, numbers = numbers, numbers[:, self.order]
        self.low, self.sizes = np.array([_range(column) for column in numbers.T]).T
        tables = [_table(column, low, size) for column, low, size in zip(numbers.T, self.low, self.sizes, strict=True)]
        self.tables = [np.rint(np.log2(table) * TABLE) for table in tables]
        self.middle, spread = _middle(numbers), _spread(numbers)
        self.tilts = [
            np.rint(_tilts((low + np.arange(size) - middle) / wide) * TILT)
            for low, size, middle, wide in zip(self.low, self.sizes, self.middle, spread, strict=True)
        ]
        inputs = np.hstack([before, numbers])
        self.centre, wide = _middle(inputs), _spread(inputs)
        self.reach = np.ceil(4 * wide)
        # 2**30, and so down to nothing
        self.powers = np.floor(np.exp2(30 - np.arange(24 * POWERS) / POWERS))
        self.into = None
        if hidden:
            self._learn(original, before, hidden, wide, seed, role)

    def _learn(self, numbers, before, hidden, wide, seed, role):
        """Learn the network, and keep it if it says more about rows that it did not see."""
        order = np.random.default_rng(seed).permutation(len(numbers))
        if role is None:
            count = min(MOST_HELD_OUT, len(order) // 5)
            held_out, rows = order[:count], order[count:]
        else:
            held_out, rows = order[role[order] == 0][:MOST_HELD_OUT], order[role[order] == 1]
        if min(len(held_out), len(rows)) < 20:
            return
        ordered, e = numbers[:, self.order], before.shape[1]
        around, own = np.tile(wide[:e], 2), np.tile(wide[e:], 2)
        found = learn(
            self._inputs(before, slice(0, e)) / around,
            self._inputs(ordered, slice(e, None)) / own,
            self._symbols(ordered),
            [table / TABLE for table in self.tables],
            [tilt / TILT for tilt in self.tilts],
            rows,
            held_out,
            hidden,
            seed,
        )
        without = self.lengths(numbers[held_out], before[held_out])
        self.into = [np.rint(found["before"] / around[:, None] * WEIGHT), np.rint(found["start"] * WEIGHT)]
        self.into.append(np.rint(found["into"] / own[:, None] * WEIGHT).reshape(2, -1, hidden))
        self.out = [np.rint(part * OUT) for part in found["out"]]
        self.shift = [np.rint(part * OUT * HIDDEN) for part in found["shift"]]
        gain = without - self.lengths(numbers[held_out], before[held_out])
        if gain.mean() <= 2 * gain.std() / math.sqrt(len(held_out)):
            self.into = None

    def _inputs(self, numbers, columns):
        """Give what the network sees of numbers: how far they are from the middle of their column, with and without sign."""
        away = np.clip(numbers - self.centre[columns], -self.reach[columns], self.reach[columns])
        return np.concatenate([away, np.abs(away)], -1)

    def _symbols(self, numbers, columns=slice(None)):
        """Give the place of each number in the table of its column; the one after the last is the escape."""
        symbols, sizes = numbers - self.low[columns], self.sizes[columns]
        return np.where((symbols < 0) | (symbols >= sizes), sizes, symbols).astype(np.intp)

    def begin(self, before):
        """Give the state of the network for rows with these numbers before them, shape (n, e)."""
        if self.into is None:
            return None
        return self.into[1] + self._inputs(before, slice(0, before.shape[1])) @ self.into[0]

    def weights(self, state, j, n):
        """Give the weights of the symbols of column `j` (in the order of the model), shape (n, a)."""
        exponents = self.tables[j]
        if state is None:
            exponents = exponents[None]
        else:
            hidden = np.minimum(np.floor(np.maximum(state, 0) / (WEIGHT / HIDDEN)), 2.0**14)
            says = np.floor((hidden @ self.out[j] + self.shift[j]) / HIDDEN)
            tilt = np.clip(says, -(2.0**16), 2.0**16) @ self.tilts[j].T
            exponents = exponents + np.pad(tilt, ((0, 0), (0, 1)))
        down = np.floor((exponents.max(1, keepdims=True) - exponents) * (POWERS / TABLE))
        weights = self.powers[np.minimum(down, len(self.powers) - 1).astype(np.intp)] + 2.0**15
        return np.broadcast_to(weights, (n, weights.shape[1]))

    def see(self, state, j, numbers):
        """Tell the network the numbers of column `j`, shape (n,); gives its new state."""
        if state is None:
            return None
        i = len(self.centre) - len(self.low) + j
        return state + self._inputs(numbers[:, None], slice(i, i + 1)) @ self.into[2][:, j]

    def choose(self, codes, before):
        """Round codes to whole numbers, each to the one below or above that is worth its bits.

        Parameters
        ----------
        codes : ndarray of shape (n, k)
            In units of the step.
        before : ndarray of shape (n, e)
            Whole numbers known beforehand.

        Returns
        -------
        numbers : ndarray of shape (n, k)
            int64.
        """
        found = np.rint(codes)
        n = len(codes)
        state, all_rows = self.begin(before), np.arange(n)
        for j, column in enumerate(self.order):
            lower, weights = np.floor(codes[:, column]), self.weights(state, j, n)
            bits = np.stack([-np.log2(weights[all_rows, self._symbols(number, j)]) for number in (lower, lower + 1)])
            inside = (lower >= self.low[j]) & (lower + 1 < self.low[j] + self.sizes[j])
            part = codes[:, column] - lower
            dearer = self.price * (bits[1] - bits[0]) + np.square(1 - part) - np.square(part)
            found[inside, column] = (lower + (dearer < 0))[inside]
            state = self.see(state, j, found[:, column])
        return found.astype(np.int64)

    def write(self, writers, numbers, before):
        """Write rows of numbers: all with one writer, or each with its own."""
        n, k = numbers.shape
        state = self.begin(before)
        numbers = numbers[:, self.order]
        symbols = self._symbols(numbers)
        for j in range(k):
            weights = self.weights(state, j, n)
            for writer, rows in zip(writers, _shares(n, writers), strict=True):
                writer.write(symbols[rows, j], weights[rows])
                for i in np.flatnonzero(symbols[rows, j] == self.sizes[j]) + rows.start:
                    high = numbers[i, j] >= self.low[j]
                    far = numbers[i, j] - self.low[j] - self.sizes[j] if high else self.low[j] - 1 - numbers[i, j]
                    writer.write_excess(2 * far + high)
            state = self.see(state, j, numbers[:, j])

    def read(self, readers, n, before):
        """Read what `write` wrote; gives an int64 ndarray of shape (n, k)."""
        k = len(self.low)
        state = self.begin(before)
        numbers = np.empty((n, k), np.int64)
        for j in range(k):
            weights = self.weights(state, j, n)
            for reader, rows in zip(readers, _shares(n, readers), strict=True):
                symbols = reader.read(weights[rows])
                numbers[rows, j] = symbols + self.low[j]
                for i in np.flatnonzero(symbols == self.sizes[j]) + rows.start:
                    far, high = divmod(reader.read_excess(), 2)
                    numbers[i, j] = self.low[j] + self.sizes[j] + far if high else self.low[j] - 1 - far
            state = self.see(state, j, numbers[:, j])
        found = np.empty_like(numbers)
        found[:, self.order] = numbers
        return found

    def lengths(self, numbers, before):
        """Give the bits that each row takes, shape (n,), escapes' distances not counted."""
        numbers = numbers[:, self.order]
        n, k = numbers.shape
        state = self.begin(before)
        symbols = self._symbols(numbers)
        bits = np.zeros(n)
        for j in range(k):
            weights = self.weights(state, j, n)
            bits += np.log2(weights.sum(1)) - np.log2(weights[np.arange(n), symbols[:, j]])
            state = self.see(state, j, numbers[:, j])
        return bits

    def digest(self):
        """Give a hash of everything that a decoder needs."""
        found = hashlib.sha256()
        parts = [self.order, self.low, self.sizes, self.centre, self.reach, self.powers, *self.tables]
        if self.into is not None:
            parts += [*self.into, *self.out, *self.shift, *self.tilts]
        for part in parts:
            found.update(np.ascontiguousarray(part, "<f8").tobytes())
        return found.digest()


def choose_roughly(codes, price):
    """Round codes as `SymbolModel.choose` does, by a distribution without a network that is learned from these codes.

    Parameters
    ----------
    codes : ndarray of shape (n, k)
        In units of the step.
    price : float
        As there.

    Returns
    -------
    numbers : ndarray of shape (n, k)
        int64.
    """
    nothing = np.empty((len(codes), 0))
    return SymbolModel(np.rint(codes).astype(np.int64), nothing, 0, 0, price=price).choose(codes, nothing)


def _shares(n, streams):
    """Say which rows are in which stream."""
    return [slice(0, n)] if len(streams) == 1 else [slice(i, i + 1) for i in range(n)]


def _middle(numbers):
    """Give a whole number near the middle of each column."""
    return np.rint(np.clip(numbers, -MOST_EXCESS, MOST_EXCESS).mean(0)) if len(numbers) else np.zeros(numbers.shape[1])


def _spread(numbers):
    """Give the deviation of each column, half a number at least, and no more than a network needs to see."""
    return np.clip(numbers.std(0), 0.5, 2.0**20)


def _range(column):
    """Give the lowest number of a column's table, and how many are in it."""
    margin = 1 + math.ceil(min(0.5 * column.std(), 100))
    low, high = int(column.min()) - margin, int(column.max()) + margin
    if high - low >= MOST_SYMBOLS:
        low, high = (int(part) for part in np.quantile(column, [0.001, 0.999]))
        middle = (low + high) // 2
        low, high = max(low, middle - MOST_SYMBOLS // 2), min(high, middle + MOST_SYMBOLS // 2 - 1)
    return low, high - low + 1


def _table(column, low, size):
    """Give smoothed shares of the numbers of a table, and of the escape behind them."""
    inside = column[(column >= low) & (column < low + size)].astype(np.int64)
    counts = np.bincount(inside - low, minlength=size).astype(float)
    spread = max(float(inside.std()) if len(inside) else 0.0, 0.3)
    width = 0.9 * min(spread, size) * max(1, len(inside)) ** -0.2  # Silverman's rule
    if width > 0.3:
        far = np.arange(-math.ceil(4 * width), math.ceil(4 * width) + 1)
        kernel = np.exp(-np.square(far / width) / 2)
        counts = np.convolve(counts, kernel / kernel.sum())[len(far) // 2 :][:size]
    distance = (np.arange(size) + low - (inside.mean() if len(inside) else 0)) / spread
    tails = 1 / (1 + np.square(distance)) ** 2  # as much as one row, spread widely
    outside = len(column) - len(inside)
    counts = np.append(counts + tails / tails.sum(), outside + 0.25)
    return counts / counts.sum()


def _tilts(x):
    """Give smooth functions of a number in units of its deviation, shape (n, TILTS)."""
    x = np.clip(x, -4, 4)
    parts = [x, x * x / 2, np.tanh(2 * x), np.exp(-2 * x * x), np.tanh(3 * (x - 0.7)), np.tanh(3 * (x + 0.7))]
    return np.stack(parts, 1)
