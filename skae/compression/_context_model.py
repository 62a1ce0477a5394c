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
    column_scales,
    smoothed_probabilities,
    table_range,
)

__all__ = ["LAMBDA_RD", "ContextModel", "max_training_rows"]

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

    Attributes
    ----------
    order : ndarray of shape (k,)
        Columns in the order of coding, which is that of all other attributes.
    min_values, table_sizes : ndarray of shape (k,)
        Lowest value in the table of each column, and number of values.
    tables : list of ndarray of shape (table_size + 1,)
        Logits of the values, and of the escape after them, in fixed point.
    bases : list of ndarray of shape (table_size, m)
        Basis functions of the values, in fixed point.
    input_centers, max_deviations : ndarray of shape (e + k,)
        Centers of the inputs, and bounds of the deviations from them.
    weight_table : ndarray
        Weights by differences of logits. Stored, because ``exp2`` is not exact on every machine.
    network : dict of ndarray or None
        Integer weights; None without a network.
    """

    def __init__(self, values, neighbors, n_hidden, seed, split=None, lambda_rd=LAMBDA_RD):
        self.lambda_rd = lambda_rd
        self.order = np.argsort(-values.std(0), kind="stable")
        ordered = values[:, self.order]
        ranges = [table_range(column) for column in ordered.T]
        self.min_values, self.table_sizes = np.array(ranges).T
        centers, scales = np.rint(ordered.mean(0)), column_scales(ordered)
        self.tables, self.bases = [], []
        for j, column in enumerate(ordered.T):
            low, size = self.min_values[j], self.table_sizes[j]
            probabilities = smoothed_probabilities(column, low, size)
            self.tables.append(np.rint(np.log2(probabilities) * LOGIT_SCALE))
            basis = basis_functions((low + np.arange(size) - centers[j]) / scales[j])
            self.bases.append(np.rint(basis * BASIS_SCALE))
        inputs = np.hstack([neighbors, ordered])
        self.input_centers, input_scales = np.rint(inputs.mean(0)), column_scales(inputs)
        self.max_deviations = np.ceil(4 * input_scales)
        # from 2**30 down to 2**6, by steps of the logit
        octaves = np.arange(24 * STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE
        self.weight_table = np.floor(np.exp2(30 - octaves))
        self.network = None
        if n_hidden:
            self._fit_network(values, neighbors, n_hidden, input_scales, seed, split)

    def _fit_network(self, values, neighbors, n_hidden, scales, seed, split):
        """Train the network; use it only if it reduces the rate of the validation rows."""
        train_indices, val_indices = _train_and_val_indices(len(values), seed, split)
        if min(len(val_indices), len(train_indices)) < MIN_ROWS:
            return
        ordered, e = values[:, self.order], neighbors.shape[1]
        neighbor_scales, value_scales = np.tile(scales[:e], 2), np.tile(scales[e:], 2)
        network = train_context_network(
            self._inputs(neighbors, slice(0, e)) / neighbor_scales,
            self._inputs(ordered, slice(e, None)) / value_scales,
            self._symbols(ordered),
            [table / LOGIT_SCALE for table in self.tables],
            [basis / BASIS_SCALE for basis in self.bases],
            train_indices,
            val_indices,
            n_hidden,
            seed,
        )
        neighbor_weights = network["neighbor_weights"] / neighbor_scales[:, None]
        column_weights = network["column_weights"] / value_scales[:, None]
        val_rows = values[val_indices], neighbors[val_indices]
        baseline_rate = self.rate(*val_rows)
        self.network = {
            "neighbor_weights": np.rint(neighbor_weights * WEIGHT_SCALE),
            "hidden_bias": np.rint(network["hidden_bias"] * WEIGHT_SCALE),
            "column_weights": np.rint(column_weights * WEIGHT_SCALE).reshape(2, -1, n_hidden),
            "output_weights": np.rint(network["output_weights"] * OUTPUT_SCALE),
            "output_bias": np.rint(network["output_bias"] * OUTPUT_SCALE * HIDDEN_SCALE),
        }
        gain = baseline_rate - self.rate(*val_rows)
        if gain.mean() <= 2 * gain.std() / math.sqrt(len(val_indices)):
            self.network = None

    def _inputs(self, values, columns):
        """Return clipped deviations from the column centers, then their magnitudes."""
        max_deviation = self.max_deviations[columns]
        deviation = np.clip(values - self.input_centers[columns], -max_deviation, max_deviation)
        return np.concatenate([deviation, np.abs(deviation)], -1)

    def _symbols(self, values, columns=slice(None)):
        """Return the index of each value in its column's table; the last index is the escape."""
        symbols, sizes = values - self.min_values[columns], self.table_sizes[columns]
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
        i = len(self.input_centers) - len(self.min_values) + j
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
            logits = logits + np.pad(coefficients @ self.bases[j].T, ((0, 0), (0, 1)))
        decrease = logits.max(1, keepdims=True) - logits
        indices = np.floor(decrease * (STEPS_PER_OCTAVE / LOGIT_SCALE))
        indices = np.minimum(indices, len(self.weight_table) - 1).astype(np.intp)
        weights = self.weight_table[indices] + 2.0**15
        return np.broadcast_to(weights, (n, weights.shape[1]))

    def _column_weights(self, ordered, neighbors):
        """Yield the weights of each column, for rows of values in the order of the model."""
        context = self.initial_context(neighbors)
        for j, column in enumerate(ordered.T):
            yield self.weights(context, j, len(ordered))
            context = self.update_context(context, j, column)

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
            last = self.min_values[j] + self.table_sizes[j] - 1
            in_table = (lower >= self.min_values[j]) & (lower < last)
            quantized[in_table, column] = best[in_table]
            context = self.update_context(context, j, quantized[:, column])
        return quantized.astype(np.int64)

    def write(self, writers, values, neighbors):
        """Encode rows: all by one writer, or each row by its own writer."""
        values = values[:, self.order]
        symbols = self._symbols(values)
        rows_each = len(values) // len(writers)
        for j, weights in enumerate(self._column_weights(values, neighbors)):
            for i, writer in enumerate(writers):
                rows = slice(i * rows_each, (i + 1) * rows_each)
                writer.write(symbols[rows, j], weights[rows])
                for value in values[rows, j][symbols[rows, j] == self.table_sizes[j]]:
                    writer.write_excess(self._to_excess(value, j))

    def read(self, reader, neighbors):
        """Decode rows that `write` encoded by one writer; return an int64 ndarray (n, k)."""
        n, k = len(neighbors), len(self.order)
        values = np.empty((n, k), np.int64)
        context = self.initial_context(neighbors)
        for j in range(k):
            symbols = reader.read(self.weights(context, j, n))
            values[:, j] = symbols + self.min_values[j]
            for i in np.flatnonzero(symbols == self.table_sizes[j]):
                values[i, j] = self._from_excess(reader.read_excess(), j)
            context = self.update_context(context, j, values[:, j])
        decoded = np.empty_like(values)
        decoded[:, self.order] = values
        return decoded

    def _to_excess(self, value, j):
        """Return the excess of a value over the table of column `j`: odd above it, even below."""
        if value >= self.min_values[j]:
            return 2 * (value - self.min_values[j] - self.table_sizes[j]) + 1
        return 2 * (self.min_values[j] - 1 - value)

    def _from_excess(self, excess, j):
        """Return the value of an excess: the inverse of `_to_excess`."""
        distance, is_above = divmod(excess, 2)
        if is_above:
            return self.min_values[j] + self.table_sizes[j] + distance
        return self.min_values[j] - 1 - distance

    def rate(self, values, neighbors):
        """Return the bits of each row, shape (n,), without the excess of escaped values."""
        values = values[:, self.order]
        symbols = self._symbols(values)
        rows = np.arange(len(values))
        bits = np.zeros(len(values))
        for j, weights in enumerate(self._column_weights(values, neighbors)):
            bits += np.log2(weights.sum(1)) - np.log2(weights[rows, symbols[:, j]])
        return bits

    def digest(self):
        """Return a SHA-256 hash of all that a decoder needs."""
        arrays = [self.order, self.min_values, self.table_sizes, self.input_centers]
        arrays += [self.max_deviations, self.weight_table, *self.tables]
        if self.network is not None:
            arrays += [*self.network.values(), *self.bases]
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(np.ascontiguousarray(array, "<f8").tobytes())
        return digest.digest()


def max_training_rows(n_values):
    """Return the maximum number of rows for a context model, given the values of a row."""
    return min(MAX_TRAINING_ROWS, MAX_TRAINING_VALUES // n_values)


def _train_and_val_indices(n, seed, split):
    """Return the indices of training and validation rows, in random order."""
    order = np.random.default_rng(seed).permutation(n)
    if split is None:
        n_val = min(MAX_VAL_ROWS, n // 5)
        return order[n_val:], order[:n_val]
    return order[split[order] == 1], order[split[order] == 0][:MAX_VAL_ROWS]
