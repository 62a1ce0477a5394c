"""Training of the network that tilts tables."""

import math

import numpy as np
import torch
from torch.nn import functional

from skae._stored import slices

__all__ = ["learn"]

LOOKS = 6
"""How often the rows held out are looked at."""

MOST_NUMBERS = 2**21
"""Weights that are held at once in a step."""

TOGETHER = 16
"""Columns that are computed at once: their tables are filled up to the size of the largest."""


def learn(before, x, symbols, tables, tilts, rows, held_out, hidden, seed):
    """Train a neural autoregressive distribution estimator whose outputs tilt tables [1]_.

    Parameters
    ----------
    before : ndarray of shape (n_samples, 2 * e)
        What the network sees of numbers known beforehand: themselves, then their magnitudes.
    x : ndarray of shape (n_samples, 2 * k)
        The same of the numbers that it learns to foresee, each from those before it.
    symbols : ndarray of shape (n_samples, k)
        Which entry of its table each number is.
    tables : list of ndarray of shape (a + 1,)
        Logarithms to base 2 of the shares, the escape's last.
    tilts : list of ndarray of shape (a, m)
        What the outputs weigh.
    rows, held_out : ndarray of int
        To learn from, and to choose by.
    hidden : int
        Units.
    seed : int
        Of weights and order.

    Returns
    -------
    network : dict
        "before" (2 * e, hidden), "into" (2 * k, hidden), "start" (hidden,), "out": list of (hidden, m), "shift": list of (m,),
        all float64.

    References
    ----------
    .. [1] H. Larochelle and I. Murray, "The neural autoregressive distribution estimator", AISTATS 2011.
    """
    generator = torch.Generator().manual_seed(seed)
    k, m = len(tables), tilts[0].shape[1]
    groups = [(part, *_padded(tables[part], tilts[part])) for part in slices(k, TOGETHER)]
    before, x, symbols = torch.from_numpy(before).float(), torch.from_numpy(x).float(), torch.from_numpy(symbols).long()
    around, into = (0.3 * torch.randn(part.shape[1], hidden, generator=generator) for part in (before, x))
    start = torch.randn(hidden, generator=generator) * 0.5
    weights = [around, into, start, torch.zeros(k, hidden, m), torch.zeros(k, m)]
    for weight in weights:
        weight.requires_grad_()

    def bits(chosen):
        around, into, start, out, shift = weights
        state = _seen(x[chosen], into) + (before[chosen] @ around + start)  # (k, b, hidden)
        says = torch.baddbmm(shift[:, None], state.relu().clamp(max=64), out)  # (k, b, m)
        lengths = 0.0
        for part, table, tilt in groups:
            exponents = torch.baddbmm(table[:, None], says[part], tilt) * math.log(2)  # (columns, b, a)
            wanted = symbols[chosen, part].T.flatten()
            lengths = lengths + functional.cross_entropy(exponents.flatten(0, 1), wanted, reduction="sum")
        return lengths / (len(chosen) * math.log(2))

    width = k * hidden + sum(table.numel() for _, table, _ in groups)
    size = int(min(512, len(rows), max(16, MOST_NUMBERS // width)))
    steps = max(120, min(480, 4 * len(rows) // size))
    optimizer = torch.optim.Adam(weights, lr=0.005)
    pieces = torch.from_numpy(held_out).split(size)
    best, kept = math.inf, None
    order = torch.empty(0, dtype=torch.long)
    rows = torch.from_numpy(rows)
    for step in range(steps):
        if len(order) < size:
            order = rows[torch.randperm(len(rows), generator=generator)]
        batch, order = order[:size], order[size:]
        optimizer.param_groups[0]["lr"] = 0.005 * min(1, 10 * (step + 1) / steps) * (1 - step / steps)
        loss = bits(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % (steps // LOOKS) == 0:
            with torch.no_grad():
                now = sum(float(bits(piece)) * len(piece) for piece in pieces)
            if now < best:
                best, kept = now, [weight.detach().clone().double().numpy() for weight in weights]
    if kept is None:  # never a number
        kept = [np.zeros(weight.shape) for weight in weights]
    return {"before": kept[0], "into": kept[1], "start": kept[2], "out": list(kept[3]), "shift": list(kept[4])}


def _padded(tables, tilts):
    """Put tables, and what the outputs weigh, of a few columns together: (columns, a) and (columns, m, a)."""
    widest = max(map(len, tables))
    table = torch.full((len(tables), widest), -1e4)
    tilt = torch.zeros(len(tables), tilts[0].shape[1], widest)
    for j in range(len(tables)):
        table[j, : len(tables[j])] = torch.from_numpy(tables[j])
        tilt[j, :, : len(tilts[j])] = torch.from_numpy(tilts[j]).T
    return table, tilt


def _seen(x, into):
    """Sum up, for each column, what the network makes of those before it.

    Within a few columns it is a product with a mask, and sums run on from these to the next: many times faster than one product
    for all of them, or than one sum that runs.

    Parameters
    ----------
    x : torch.Tensor of shape (b, 2 * k)
        Numbers, then their magnitudes.
    into : torch.Tensor of shape (2 * k, hidden)
        Weights on them.

    Returns
    -------
    state : torch.Tensor of shape (k, b, hidden)
    """
    k = x.shape[1] // 2
    more = -k % TOGETHER
    x = functional.pad(x.unflatten(1, (2, k)), (0, more)).unflatten(2, (-1, TOGETHER)).movedim(2, 0).flatten(2)
    into = functional.pad(into.unflatten(0, (2, k)), (0, 0, 0, more)).unflatten(1, (-1, TOGETHER)).movedim(1, 0).flatten(1, 2)
    before = functional.pad(torch.bmm(x, into).cumsum(0)[:-1], (0, 0, 0, 0, 1, 0))  # (parts, b, hidden)
    known = torch.ones(TOGETHER, TOGETHER).tril(-1).repeat(1, 2)[..., None]
    within = torch.matmul(x[:, None], known * into[:, None])  # (parts, columns, b, hidden)
    return (before[:, None] + within).flatten(0, 1)[:k]
