"""Rows become batches."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Subset

from skae._batches import Batches, Rows, chunks, padded, to_tensor


def numbers(batches):
    """Give the row numbers that each batch of one pass holds."""
    return [batch[0][:, 0].long().tolist() for batch in batches]


def rows_of(n):
    """Make rows whose first column is their number, and whose weight is that number plus one."""
    X = np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    return Rows(X, np.arange(n) + 1.0)


@given(st.integers(2, 70), st.integers(1, 80), st.booleans(), st.booleans())
def test_every_row_comes_once_and_never_alone(n, batch_size, shuffle, part):
    """In one pass every row is in one batch, with its weight, and no last batch has one row unless all have."""
    data = rows_of(n)
    members = list(range(n))
    if part:
        members = list(range(0, n, 2))
        data = Subset(data, members)
    batches = Batches(data, batch_size, shuffle=shuffle, generator=torch.Generator().manual_seed(0))
    found = list(batches)
    assert len(found) == len(batches)
    assert sorted(chain(*numbers(found))) == members
    for rows, weights, _ in found:
        assert torch.equal(weights, rows[:, 0] + 1)
    sizes = [len(rows) for rows, *_ in found]
    if batch_size > 1 and len(members) > 1:
        assert min(sizes) > 1
    assert max(sizes) <= batch_size + 1
    if not shuffle:
        assert list(chain(*numbers(found))) == members


def test_the_generator_says_the_order():
    """Equal seeds give equal orders, every pass has another, and the global generator isn't used."""
    before = torch.random.get_rng_state()

    def order(seed):
        batches = Batches(rows_of(50), 8, shuffle=True, generator=torch.Generator().manual_seed(seed))
        return numbers(batches), numbers(batches)

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1)[0] != order(1)[1]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_batches_without_weights():
    """Rows without weights give None in their place."""
    assert [batch.weights for batch in Batches(Rows(np.zeros((5, 2), dtype=np.float32)), 2)] == [None, None]


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_uint8_stays_uint8(kind):
    """Narrow numbers are not widened before they are on the device."""
    X = np.arange(20, dtype=np.uint8).reshape(10, 2)
    data = Rows(X if kind == "array" else torch.from_numpy(X))
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
def test_no_number_is_changed(dtype, expected):
    """Every dtype becomes one of torch's that holds the same numbers."""
    X = np.array([[1, 2], [3, 100]]).astype(dtype)
    found = to_tensor(X)
    assert found.dtype == expected
    assert found.tolist() == [[1, 2], [3, 100]]


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_huge_unsigned_integers_do_not_wrap(value):
    """Numbers beyond int64 become the nearest float64, not negative numbers."""
    found = to_tensor(np.array([[value, 1]], dtype=np.uint64))
    assert found.double().tolist() == [[float(value), 1.0]]


def test_read_only_arrays_give_no_warning(recwarn):
    """A read-only array is copied, silently, and the copy may be written."""
    X = np.ones((3, 2), dtype=np.float32)
    X.flags.writeable = False
    to_tensor(X).add_(1)
    assert not recwarn.list
    assert X.max() == 1


@given(st.integers(1, 2000), st.integers(1, 10**7))
def test_pieces_cover_all_rows_in_order(n, width):
    """Pieces follow each other without a gap and hold a multiple of 8 rows, but for the last."""
    pieces = list(chunks(n, width))
    assert [i for piece in pieces for i in range(n)[piece]] == list(range(n))
    for piece in pieces[:-1]:
        assert (piece.stop - piece.start) % 8 == 0


@given(st.integers(1, 40))
def test_padding_keeps_the_rows(n):
    """Padded rows begin with the rows themselves, and their number is a multiple of 8."""
    rows = torch.rand(n, 3)
    found = padded(rows)
    assert len(found) % 8 == 0
    assert len(found) - n < 8
    assert torch.equal(found[:n], rows)
    assert not found[n:].any()
