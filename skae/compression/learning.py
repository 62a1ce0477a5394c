"""Training of the network that tilts tables; knows torch and NumPy only."""

import math

import numpy as np
import torch
from torch.nn import functional

__all__ = ["learn"]

LOOKS = 6
"""How often the rows held out are looked at."""

MOST_NUMBERS = 2**21
"""Weights that are held at once in a step."""


def learn(x, symbols, tables, tilts, rows, held_out, hidden, seed):
    """Train a neural autoregressive distribution estimator whose outputs tilt tables [1]_.

    Parameters
    ----------
    x : ndarray of shape (n_samples, e + k)
        What the network sees: `e` numbers known beforehand, and k that it learns to foresee from those before them.
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
        "into" (e + k, hidden), "start" (hidden,), "out": list of (hidden, m), "shift": list of (m,), all float64.

    References
    ----------
    .. [1] H. Larochelle and I. Murray, "The neural autoregressive distribution estimator", AISTATS 2011.
    """
    generator = torch.Generator().manual_seed(seed)
    k, m, widest = len(tables), tilts[0].shape[1], max(map(len, tables))
    e = x.shape[1] - k
    table = torch.full((k, widest), -1e4)
    tilt = torch.zeros(k, m, widest)
    for j in range(k):
        table[j, : len(tables[j])] = torch.from_numpy(tables[j])
        tilt[j, :, : len(tilts[j])] = torch.from_numpy(tilts[j]).T
    x, symbols = torch.from_numpy(x).float(), torch.from_numpy(symbols).long()
    into = torch.randn(e + k, hidden, generator=generator) * 0.3
    start = torch.randn(hidden, generator=generator) * 0.5
    weights = [into, start, torch.zeros(k, hidden, m), torch.zeros(k, m)]
    for weight in weights:
        weight.requires_grad_()

    def bits(chosen):
        into, start, out, shift = weights
        seen = x[chosen].T  # (e + k, b)
        state = (seen[:e].T @ into[:e] + start)[None]  # (1, b, hidden)
        if k > 1:
            grown = torch.cumsum(seen[e:-1, :, None] * into[e:-1, None], 0) + state
            state = torch.cat([state, grown])  # (k, b, hidden): what is known before each column
        says = torch.baddbmm(shift[:, None], state.relu().clamp(max=64), out)  # (k, b, m)
        exponents = torch.baddbmm(table[:, None], says, tilt) * math.log(2)  # (k, b, a)
        lengths = functional.cross_entropy(exponents.flatten(0, 1), symbols[chosen].T.flatten(), reduction="sum")
        return lengths / (len(chosen) * math.log(2))

    size = int(min(512, len(rows), max(16, MOST_NUMBERS // (k * (widest + hidden)))))
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
    return {"into": kept[0], "start": kept[1], "out": list(kept[2]), "shift": list(kept[3])}
