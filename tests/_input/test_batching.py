"""Batches, chunks and conversion to tensors."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Subset

from skae._input.batching import Batches, RowDataset
from skae._input.dtypes import to_tensor
from skae._input.rows import pad_rows, row_chunks


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


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, torch.uint8),
        (np.int8, torch.int8),
        (np.int16, torch.int16),
        (np.uint16, torch.int64),
        (np.int32, torch.int64),
        (np.uint32, torch.int64),
        (np.uint64, torch.int64),
        (np.int64, torch.int64),
        (np.float32, torch.float32),
        (np.float64, torch.float64),
        (">f4", torch.float32),
        (">i8", torch.int64),
    ],
)
def test_values_are_unchanged(dtype, expected):
    """Every dtype is converted to a dtype of torch with the same values."""
    X = np.array([[1, 2], [3, 100]]).astype(dtype)
    tensor = to_tensor(X)
    assert tensor.dtype == expected
    assert tensor.tolist() == [[1, 2], [3, 100]]


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_huge_unsigned_integers_do_not_wrap(value):
    """Integers beyond int64 become the nearest float64, not negative values."""
    tensor = to_tensor(np.array([[value, 1]], dtype=np.uint64))
    assert tensor.double().tolist() == [[float(value), 1.0]]


def test_read_only_arrays_give_no_warning(recwarn):
    """A read-only array is copied without a warning, and the copy is writable."""
    X = np.ones((3, 2), dtype=np.float32)
    X.flags.writeable = False
    to_tensor(X).add_(1)
    assert not recwarn.list
    assert X.max() == 1


@given(st.integers(1, 2000), st.integers(1, 10**7))
def test_chunks_cover_all_rows_in_order(n, width):
    """Chunks are contiguous, and all but the last have a multiple of 8 rows."""
    chunks = list(row_chunks(n, width))
    assert [i for chunk in chunks for i in range(n)[chunk]] == list(range(n))
    for chunk in chunks[:-1]:
        assert (chunk.stop - chunk.start) % 8 == 0


@given(st.integers(1, 40))
def test_padding_keeps_the_rows(n):
    """Padded rows start with the rows themselves, and their number is a multiple of 8."""
    rows = torch.rand(n, 3)
    padded = pad_rows(rows)
    assert len(padded) % 8 == 0
    assert len(padded) - n < 8
    assert torch.equal(padded[:n], rows)
    assert not padded[n:].any()
