"""Batches of rows with their weights."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Subset

from skae._input.batching import Batches, RowDataset


def row_indices(batches):
    """Return the row indices of each batch of an epoch."""
    return [batch[0][:, 0].long().tolist() for batch in batches]


def rows_of(n):
    """Return rows with their index in the first column, and their index plus one as weight."""
    X = np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    return RowDataset(X, np.arange(n) + 1.0)


@given(st.integers(2, 70), st.integers(1, 80), st.booleans(), st.booleans())
def test_every_row_is_in_one_batch(n, batch_size, shuffle, part):
    """Every row is in one batch of an epoch with its weight, and a single last row is merged."""
    data = rows_of(n)
    expected = list(range(n))
    if part:
        expected = list(range(0, n, 2))
        data = Subset(data, expected)
    batches = Batches(data, batch_size, shuffle=shuffle, generator=torch.Generator().manual_seed(0))
    all_batches = list(batches)
    assert len(all_batches) == len(batches)
    assert sorted(chain(*row_indices(all_batches))) == expected
    for rows, weights, _ in all_batches:
        assert torch.equal(weights, rows[:, 0] + 1)
    sizes = [len(rows) for rows, *_ in all_batches]
    if batch_size > 1 and len(expected) > 1:
        assert min(sizes) > 1
    assert max(sizes) <= batch_size + 1
    if not shuffle:
        assert list(chain(*row_indices(all_batches))) == expected


def test_order_depends_on_the_generator():
    """Equal seeds give equal orders, every epoch has another, and the global generator is unused."""
    before = torch.random.get_rng_state()

    def order(seed):
        batches = Batches(
            rows_of(50), 8, shuffle=True, generator=torch.Generator().manual_seed(seed)
        )
        return row_indices(batches), row_indices(batches)

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1)[0] != order(1)[1]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_batches_without_weights():
    """The weights of a batch are None without weights."""
    assert [
        batch.weights for batch in Batches(RowDataset(np.zeros((5, 2), dtype=np.float32)), 2)
    ] == [
        None,
        None,
    ]


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_uint8_stays_uint8(kind):
    """Narrow dtypes are not widened before they are on the device."""
    X = np.arange(20, dtype=np.uint8).reshape(10, 2)
    data = RowDataset(X if kind == "array" else torch.from_numpy(X))
    for index in (slice(0, 4), torch.arange(4)):
        batch = data[index][0]
        assert batch.dtype == torch.uint8
        assert batch.tolist() == X[:4].tolist()
