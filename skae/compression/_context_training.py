"""Training of the network of the context model."""

import math

import torch
from torch.nn import functional

from skae._input.rows import chunk_slices

__all__ = ["train_context_network"]

WEIGHT_NAMES = (
    "neighbor_weights",
    "column_weights",
    "hidden_bias",
    "output_weights",
    "output_bias",
)
"""Names of the arrays of a network."""

N_EVALUATIONS = 6
"""Evaluations on the validation set: with each the best weights so far are stored."""

MAX_ACTIVATIONS = 2**21
"""Activations and logits of a forward pass that are held at once: 8 MB in float32."""

CHUNK_COLUMNS = 16
"""Columns that are computed at once: their tables are padded to the size of the largest."""

BATCH_SIZE, MIN_BATCH_SIZE = 512, 16
"""Rows of a batch, as far as `MAX_ACTIVATIONS` allows."""

MIN_STEPS, MAX_STEPS = 120, 480
"""Training steps: four epochs, within these bounds so that the time of a fit is bounded."""

LEARNING_RATE = 0.005
"""Largest learning rate of Adam, after a linear warm-up and before a linear decay."""


def train_context_network(
    neighbors, columns, symbols, tables, bases, train_indices, val_indices, n_hidden, seed
):
    """Train a neural autoregressive distribution estimator with coefficients as outputs [1]_.

    Parameters
    ----------
    neighbors : ndarray of shape (n_samples, 2 * e)
        Scaled neighbor values of each row, then their magnitudes.
    columns : ndarray of shape (n_samples, 2 * k)
        Scaled values of each row, then their magnitudes. A column is predicted from those before.
    symbols : ndarray of shape (n_samples, k)
        Index of each value in its table.
    tables : list of ndarray of shape (a + 1,)
        Logarithms to base 2 of the probabilities in each table, the escape's last.
    bases : list of ndarray of shape (a, m)
        Basis functions of the values in each table; their coefficients are the network's outputs.
    train_indices, val_indices : ndarray of int
        Rows of the training set and of the validation set.
    n_hidden : int
        Hidden units.
    seed : int
        Seed of the weights and of the order of rows.

    Returns
    -------
    network : dict
        "neighbor_weights" of shape (2 * e, n_hidden), "column_weights" (2 * k, n_hidden),
        "hidden_bias" (n_hidden,), "output_weights" (k, n_hidden, m) and "output_bias" (k, m), all
        float64.

    References
    ----------
    .. [1] H. Larochelle and I. Murray, "The neural autoregressive distribution estimator",
       AISTATS 2011.
    """
    generator = torch.Generator().manual_seed(seed)
    objective = _Rate(neighbors, columns, symbols, tables, bases)
    weights = objective.initial_weights(n_hidden, generator)
    width = len(tables) * n_hidden + objective.n_table_entries
    batch_size = max(MIN_BATCH_SIZE, MAX_ACTIVATIONS // width)
    batch_size = int(min(BATCH_SIZE, len(train_indices), batch_size))
    n_steps = max(MIN_STEPS, min(MAX_STEPS, 4 * len(train_indices) // batch_size))
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
    best_rate = math.inf
    # used if no validation rate is finite
    best_weights = [torch.zeros_like(weight) for weight in weights]
    val_batches = torch.from_numpy(val_indices).split(batch_size)
    batches = _batches(torch.from_numpy(train_indices), batch_size, generator)
    for step in range(n_steps):
        warm_up = min(1, 10 * (step + 1) / n_steps)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * warm_up * (1 - step / n_steps)
        loss = objective(weights, next(batches))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % (n_steps // N_EVALUATIONS) == 0:
            with torch.no_grad():
                rate = sum(float(objective(weights, rows)) * len(rows) for rows in val_batches)
            if rate < best_rate:
                best_rate = rate
                best_weights = [weight.detach().clone() for weight in weights]
    arrays = [weight.detach().double().numpy() for weight in best_weights]
    return dict(zip(WEIGHT_NAMES, arrays, strict=True))


def _batches(indices, batch_size, generator):
    """Yield batches of full size forever, in a new random order for each epoch."""
    order = torch.empty(0, dtype=torch.long)
    while True:
        if len(order) < batch_size:
            order = indices[torch.randperm(len(indices), generator=generator)]
        yield order[:batch_size]
        order = order[batch_size:]


class _Rate:
    """The training objective: mean bits per row under the weights of a network.

    The parameters are those of `train_context_network`.
    """

    def __init__(self, neighbors, columns, symbols, tables, bases):
        self.neighbors = torch.from_numpy(neighbors).float()
        self.columns = torch.from_numpy(columns).float()
        self.symbols = torch.from_numpy(symbols).long()
        self.n_basis = bases[0].shape[1]
        self.chunks = []
        for chunk in chunk_slices(len(tables), CHUNK_COLUMNS):
            self.chunks.append((chunk, *_pad_tables(tables[chunk], bases[chunk])))
        self.n_table_entries = sum(table.numel() for _, table, _ in self.chunks)

    def initial_weights(self, n_hidden, generator):
        """Sample initial weights of inputs and hidden units; those of the outputs are zero."""
        k = self.symbols.shape[1]
        n_neighbors, n_columns = self.neighbors.shape[1], self.columns.shape[1]
        weights = [
            0.3 * torch.randn(n_neighbors, n_hidden, generator=generator),
            0.3 * torch.randn(n_columns, n_hidden, generator=generator),
            0.5 * torch.randn(n_hidden, generator=generator),
            torch.zeros(k, n_hidden, self.n_basis),
            torch.zeros(k, self.n_basis),
        ]
        return [weight.requires_grad_() for weight in weights]

    def __call__(self, weights, rows):
        """Compute the mean bits of some rows, a tensor with gradient."""
        neighbor_weights, column_weights, hidden_bias, output_weights, output_bias = weights
        context = self.neighbors[rows] @ neighbor_weights + hidden_bias
        context = _preceding_sums(self.columns[rows], column_weights) + context  # (k, b, hidden)
        hidden = context.relu().clamp(max=64)
        coefficients = torch.baddbmm(output_bias[:, None], hidden, output_weights)  # (k, b, m)
        total = 0.0
        for chunk, table, basis in self.chunks:
            logits = torch.baddbmm(table[:, None], coefficients[chunk], basis)  # (columns, b, a)
            logits = logits * math.log(2)
            targets = self.symbols[rows, chunk].T.flatten()
            total = total + functional.cross_entropy(logits.flatten(0, 1), targets, reduction="sum")
        return total / (len(rows) * math.log(2))


def _pad_tables(tables, bases):
    """Stack tables and bases of some columns, padded: shapes (columns, a) and (columns, m, a)."""
    max_size = max(map(len, tables))
    table = torch.full((len(tables), max_size), -1e4)
    basis = torch.zeros(len(tables), bases[0].shape[1], max_size)
    for j in range(len(tables)):
        table[j, : len(tables[j])] = torch.from_numpy(tables[j])
        basis[j, :, : len(bases[j])] = torch.from_numpy(bases[j]).T
    return table, basis


def _preceding_sums(x, weights):
    """Compute, for each column, the weighted sum of the columns before it.

    Within a chunk of columns the sum is a product with a mask, and sums accumulate from chunk to
    chunk. This is many times faster than one product or one cumulative sum for all columns.

    Parameters
    ----------
    x : torch.Tensor of shape (b, 2 * k)
        Values of the columns, then their magnitudes.
    weights : torch.Tensor of shape (2 * k, n_hidden)
        Weights of values and magnitudes.

    Returns
    -------
    sums : torch.Tensor of shape (k, b, n_hidden)
        The sum for each column.
    """
    k = x.shape[1] // 2
    padding = -k % CHUNK_COLUMNS
    x = functional.pad(x.unflatten(1, (2, k)), (0, padding))  # (b, 2, padded k)
    x = x.unflatten(2, (-1, CHUNK_COLUMNS)).movedim(2, 0).flatten(2)  # (chunks, b, 2 * columns)
    weights = functional.pad(weights.unflatten(0, (2, k)), (0, 0, 0, padding))
    weights = weights.unflatten(1, (-1, CHUNK_COLUMNS)).movedim(1, 0)
    weights = weights.flatten(1, 2)  # (chunks, 2 * columns, hidden)
    sums = torch.bmm(x, weights).cumsum(0)
    before = functional.pad(sums[:-1], (0, 0, 0, 0, 1, 0))  # (chunks, b, hidden)
    mask = torch.ones(CHUNK_COLUMNS, CHUNK_COLUMNS).tril(-1).repeat(1, 2)[..., None]
    within = torch.matmul(x[:, None], mask * weights[:, None])  # (chunks, columns, b, hidden)
    return (before[:, None] + within).flatten(0, 1)[:k]
