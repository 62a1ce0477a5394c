"""Row sources: chunks of rows, and padding."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from skae._input.rows import pad_rows, row_chunks


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
