"""The context model: probabilities of quantized codes, from tables and a small integer network.

A decoder computes only sums and products of integers below 2**53 in float64, shifts and look-ups.
These are exact in any order of summation, so every machine computes the same probabilities.
"""

import hashlib
import math

import numpy as np

from skae.compression._context_training import train_context_network
from skae.compression._tables import (
    basis_functions,
    integer_center,
    scale,
    smoothed_probabilities,
    table_range,
)

__all__ = ["LAMBDA_RD", "ContextModel", "max_training_rows", "quantize_with_tables"]

LOGIT_SCALE, BASIS_SCALE = 2.0**22, 2.0**10
"""Fixed-point scales of the logits in tables, and of the basis functions."""

HIDDEN_SCALE, WEIGHT_SCALE, OUTPUT_SCALE = 2.0**8, 2.0**16, 2.0**12
"""Fixed-point scales of the network: hidden units, input weights, output weights."""

STEPS_PER_OCTAVE = 64
"""Steps between two powers of two in the table of 2**x: a step changes a weight by 1 %."""

MAX_VAL_ROWS = 2000
"""Rows of the validation set that decides whether the network is used."""

MAX_TRAINING_ROWS = 60_000
"""Rows for a context model, which bounds the time of a fit."""

MAX_TRAINING_VALUES = 2**24
"""Values of rows and their neighbors for a context model: 128 MB in float64."""

MIN_ROWS = 20
"""Rows of the training set, and of the validation set, below which no network is trained."""

LAMBDA_RD = math.log(2) / 6
"""Weight of the rate in bits against the distortion in squared steps.

A step D has the distortion D**2 / 12, and half the step costs one bit more.
"""


class ContextModel:
    """Context model of rows of integers: their probabilities, column after column.

    The weight of a value is a power of two. Its logit (to base 2) is that of the column's table,
    plus a linear combination of smooth basis functions of the value. The coefficients are the
    outputs of a neural autoregressive distribution estimator, ``V @ relu(c + W @ inputs)``. The
    inputs are the neighbor values and the columns before, with their magnitudes. The context is
    the sum in parentheses, which is updated column after column.

    Parameters
    ----------
    values : ndarray of shape (n_samples, k)
        Training rows, integers.
    neighbors : ndarray of shape (n_samples, e)
        Integers that a decoder has before the row.
    n_hidden : int
        Hidden units of the network; 0 for tables alone.
    seed : int
        Seed of the network.
    split : ndarray of shape (n_samples,), default=None
        1 for training rows and 0 for validation rows of the network; None splits at random.
    lambda_rd : float, default=LAMBDA_RD
        Weight of the rate in `quantize`; 0 rounds to the nearest integer.
    """

    def __init__(self, values, neighbors, n_hidden, seed, split=None, lambda_rd=LAMBDA_RD):
        self.lambda_rd = lambda_rd
        self.order = np.argsort(-values.std(0), kind="stable")
        ordered = values[:, self.order]
        self.low, self.sizes = np.array([table_range(column) for column in ordered.T]).T
        centers, scales = integer_center(ordered), scale(ordered)
        self.tables, self.basis = [], []
        for j, column in enumerate(ordered.T):
            low, size = self.low[j], self.sizes[j]
            probabilities = smoothed_probabilities(column, low, size)
            self.tables.append(np.rint(np.log2(probabilities) * LOGIT_SCALE))
            basis = basis_functions((low + np.arange(size) - centers[j]) / scales[j])
            self.basis.append(np.rint(basis * BASIS_SCALE))
        inputs = np.hstack([neighbors, ordered])
        self.center, input_scales = integer_center(inputs), scale(inputs)
        self.max_deviation = np.ceil(4 * input_scales)
        # from 2**30 down to 2**6, by steps of the logit
        octaves = np.arange(24 * STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE
        self.powers = np.floor(np.exp2(30 - octaves))
        self.network = None
        if n_hidden:
            self._fit_network(values, neighbors, n_hidden, input_scales, seed, split)

    def _fit_network(self, values, neighbors, n_hidden, scales, seed, split):
        """Train the network; use it only if it reduces the rate of the validation rows."""
        train_indices, val_indices = _split_rows(len(values), seed, split)
        if min(len(val_indices), len(train_indices)) < MIN_ROWS:
            return
        ordered, e = values[:, self.order], neighbors.shape[1]
        neighbor_scales, column_scales = np.tile(scales[:e], 2), np.tile(scales[e:], 2)
        network = train_context_network(
            self._inputs(neighbors, slice(0, e)) / neighbor_scales,
            self._inputs(ordered, slice(e, None)) / column_scales,
            self._symbols(ordered),
            [table / LOGIT_SCALE for table in self.tables],
            [basis / BASIS_SCALE for basis in self.basis],
            train_indices,
            val_indices,
            n_hidden,
            seed,
        )
        neighbor_weights = network["neighbor_weights"] / neighbor_scales[:, None]
        column_weights = network["column_weights"] / column_scales[:, None]
        output_weights = [np.rint(one * OUTPUT_SCALE) for one in network["output_weights"]]
        output_bias = [np.rint(one * OUTPUT_SCALE * HIDDEN_SCALE) for one in network["output_bias"]]
        val_rows = values[val_indices], neighbors[val_indices]
        baseline_rate = self.rate(*val_rows)
        self.network = {
            "neighbor_weights": np.rint(neighbor_weights * WEIGHT_SCALE),
            "hidden_bias": np.rint(network["hidden_bias"] * WEIGHT_SCALE),
            "column_weights": np.rint(column_weights * WEIGHT_SCALE).reshape(2, -1, n_hidden),
            "output_weights": output_weights,
            "output_bias": output_bias,
        }
        gain = baseline_rate - self.rate(*val_rows)
        if gain.mean() <= 2 * gain.std() / math.sqrt(len(val_indices)):
            self.network = None

    def _inputs(self, values, columns):
        """Return clipped deviations from the column centers, then their magnitudes."""
        max_deviation = self.max_deviation[columns]
        deviation = np.clip(values - self.center[columns], -max_deviation, max_deviation)
        return np.concatenate([deviation, np.abs(deviation)], -1)

    def _symbols(self, values, columns=slice(None)):
        """Return the index of each value in its column's table; the last index is the escape."""
        symbols, sizes = values - self.low[columns], self.sizes[columns]
        return np.where((symbols < 0) | (symbols >= sizes), sizes, symbols).astype(np.intp)

    def initial_context(self, neighbors):
        """Return the context before the first column, shape (n, n_hidden); None if no network.

        Parameters
        ----------
        neighbors : ndarray of shape (n, e)
            Neighbor values of each row.
        """
        if self.network is None:
            return None
        inputs = self._inputs(neighbors, slice(0, neighbors.shape[1]))
        return self.network["hidden_bias"] + inputs @ self.network["neighbor_weights"]

    def update_context(self, context, j, values):
        """Return the context after column `j`, with its values of shape (n,)."""
        if self.network is None:
            return None
        i = len(self.center) - len(self.low) + j
        inputs = self._inputs(values[:, None], slice(i, i + 1))
        return context + inputs @ self.network["column_weights"][:, j]

    def weights(self, context, j, n):
        """Return unnormalized probabilities of the symbols of column `j`, shape (n, a).

        Columns are in the order of the model.
        """
        logits = self.tables[j][None]
        if self.network is not None:
            activation = np.floor(np.maximum(context, 0) / (WEIGHT_SCALE / HIDDEN_SCALE))
            hidden = np.minimum(activation, 2.0**14)
            outputs = hidden @ self.network["output_weights"][j] + self.network["output_bias"][j]
            coefficients = np.clip(np.floor(outputs / HIDDEN_SCALE), -(2.0**16), 2.0**16)
            # the escape keeps the logit of its table
            logits = logits + np.pad(coefficients @ self.basis[j].T, ((0, 0), (0, 1)))
        decrease = logits.max(1, keepdims=True) - logits
        indices = np.floor(decrease * (STEPS_PER_OCTAVE / LOGIT_SCALE))
        weights = self.powers[np.minimum(indices, len(self.powers) - 1).astype(np.intp)] + 2.0**15
        return np.broadcast_to(weights, (n, weights.shape[1]))

    def quantize(self, codes, neighbors):
        """Round codes to integers by rate-distortion optimization.

        Of the integers below and above a code, the one of lower cost is selected. The cost is the
        squared error plus `lambda_rd` times the rate in bits.

        Parameters
        ----------
        codes : ndarray of shape (n, k)
            Codes in units of the step.
        neighbors : ndarray of shape (n, e)
            Neighbor values of each row.

        Returns
        -------
        quantized : ndarray of shape (n, k)
            The rounded codes, int64.
        """
        quantized = np.rint(codes)
        n = len(codes)
        rows = np.arange(n)
        context = self.initial_context(neighbors)
        for j, column in enumerate(self.order):
            lower = np.floor(codes[:, column])
            weights = self.weights(context, j, n)
            lower_rate = -np.log2(weights[rows, self._symbols(lower, j)])
            upper_rate = -np.log2(weights[rows, self._symbols(lower + 1, j)])
            fraction = codes[:, column] - lower
            # cost of the integer above, minus that of the integer below
            rd_cost = self.lambda_rd * (upper_rate - lower_rate)
            rd_cost = rd_cost + np.square(1 - fraction) - np.square(fraction)
            best = lower + (rd_cost < 0)
            in_table = (lower >= self.low[j]) & (lower + 1 < self.low[j] + self.sizes[j])
            quantized[in_table, column] = best[in_table]
            context = self.update_context(context, j, quantized[:, column])
        return quantized.astype(np.int64)

    def write(self, writers, values, neighbors):
        """Encode rows: all by one writer, or each row by its own writer."""
        n, k = values.shape
        values = values[:, self.order]
        symbols = self._symbols(values)
        context = self.initial_context(neighbors)
        for j in range(k):
            weights = self.weights(context, j, n)
            for writer, rows in zip(writers, _rows_of_streams(n, writers), strict=True):
                writer.write(symbols[rows, j], weights[rows])
                for i in np.flatnonzero(symbols[rows, j] == self.sizes[j]) + rows.start:
                    writer.write_excess(self._to_excess(values[i, j], j))
            context = self.update_context(context, j, values[:, j])

    def read(self, readers, n, neighbors):
        """Decode rows that `write` encoded; return an int64 ndarray of shape (n, k)."""
        k = len(self.low)
        values = np.empty((n, k), np.int64)
        context = self.initial_context(neighbors)
        for j in range(k):
            weights = self.weights(context, j, n)
            for reader, rows in zip(readers, _rows_of_streams(n, readers), strict=True):
                symbols = reader.read(weights[rows])
                values[rows, j] = symbols + self.low[j]
                for i in np.flatnonzero(symbols == self.sizes[j]) + rows.start:
                    values[i, j] = self._from_excess(reader.read_excess(), j)
            context = self.update_context(context, j, values[:, j])
        decoded = np.empty_like(values)
        decoded[:, self.order] = values
        return decoded

    def _to_excess(self, value, j):
        """Return the excess of a value over the table of column `j`: odd above it, even below."""
        if value >= self.low[j]:
            return 2 * (value - self.low[j] - self.sizes[j]) + 1
        return 2 * (self.low[j] - 1 - value)

    def _from_excess(self, excess, j):
        """Return the value of an excess: the inverse of `_to_excess`."""
        distance, is_above = divmod(excess, 2)
        if is_above:
            return self.low[j] + self.sizes[j] + distance
        return self.low[j] - 1 - distance

    def rate(self, values, neighbors):
        """Return the bits of each row, shape (n,), without the excess of escaped values."""
        values = values[:, self.order]
        n, k = values.shape
        symbols = self._symbols(values)
        bits = np.zeros(n)
        context = self.initial_context(neighbors)
        for j in range(k):
            weights = self.weights(context, j, n)
            bits += np.log2(weights.sum(1)) - np.log2(weights[np.arange(n), symbols[:, j]])
            context = self.update_context(context, j, values[:, j])
        return bits

    def digest(self):
        """Return a SHA-256 hash of all that a decoder needs."""
        arrays = [self.order, self.low, self.sizes, self.center, self.max_deviation, self.powers]
        arrays += self.tables
        if self.network is not None:
            arrays += [self.network["neighbor_weights"], self.network["hidden_bias"]]
            arrays += [self.network["column_weights"], *self.network["output_weights"]]
            arrays += [*self.network["output_bias"], *self.basis]
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(np.ascontiguousarray(array, "<f8").tobytes())
        return digest.digest()


def max_training_rows(n_values):
    """Return the maximum number of rows for a context model, given the values of a row."""
    return min(MAX_TRAINING_ROWS, MAX_TRAINING_VALUES // n_values)


def quantize_with_tables(codes, lambda_rd):
    """Quantize codes by `ContextModel.quantize`, with tables of these codes and without a network.

    Parameters
    ----------
    codes : ndarray of shape (n, k)
        Codes in units of the step.
    lambda_rd : float
        Weight of the rate, as in `ContextModel`.

    Returns
    -------
    quantized : ndarray of shape (n, k)
        The rounded codes, int64.
    """
    no_neighbors = np.empty((len(codes), 0))
    nearest = np.rint(codes).astype(np.int64)
    model = ContextModel(nearest, no_neighbors, 0, 0, lambda_rd=lambda_rd)
    return model.quantize(codes, no_neighbors)


def _split_rows(n, seed, split):
    """Return the indices of training and validation rows, in random order."""
    order = np.random.default_rng(seed).permutation(n)
    if split is None:
        n_val = min(MAX_VAL_ROWS, n // 5)
        return order[n_val:], order[:n_val]
    return order[split[order] == 1], order[split[order] == 0][:MAX_VAL_ROWS]


def _rows_of_streams(n, streams):
    """Return the slice of rows of each stream."""
    if len(streams) == 1:
        return [slice(0, n)]
    return [slice(i, i + 1) for i in range(n)]
