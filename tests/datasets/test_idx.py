"""Files in the IDX format."""

import gzip
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae.datasets import load_idx


def idx(array, code=0x08):
    """Return the content of an IDX file with an array."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return (
        bytes([0, 0, code, array.ndim])
        + sizes
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_four_files(dotted, compressed, tmp_path):
    """Training and test images and labels are read as writable arrays, compressed or not."""
    rng = np.random.default_rng(0)
    shapes = {
        "train-images-idx3-ubyte": (7, 5, 4),
        "train-labels-idx1-ubyte": (7,),
        "t10k-images-idx3-ubyte": (3, 5, 4),
        "t10k-labels-idx1-ubyte": (3,),
    }
    expected = []
    for name, shape in shapes.items():
        expected.append(rng.integers(0, 255, shape, dtype=np.uint8))
        content = idx(expected[-1])
        if dotted:
            name = name.replace("-idx", ".idx")
        if compressed:
            name += ".gz"
            content = gzip.compress(content)
        (tmp_path / name).write_bytes(content)
    for array, expected_array in zip(load_idx(tmp_path), expected, strict=True):
        assert_array_equal(array, expected_array)
        assert array.dtype == np.uint8
        assert array.flags.writeable
    os.remove(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="without t10k-labels-idx1-ubyte"):
        load_idx(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "code"), [("i1", 9), ("i2", 11), ("i4", 12), ("f4", 13), ("f8", 14)]
)
def test_other_dtypes(dtype, code, tmp_path):
    """All dtypes of the format are read, in native byte order."""
    expected = np.arange(-3, 3).astype(dtype)
    (tmp_path / "one").write_bytes(idx(expected, code))
    array = load_idx(tmp_path / "one")
    assert array.dtype == expected.dtype
    assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not in the IDX format"),
        (b"some text", "not in the IDX format"),
        (b"\0\0\x08\x03\0\0", "not in the IDX format"),
        (idx(np.zeros((4, 5), np.uint8))[:-1], "with 31 bytes, but expected 32"),
        (idx(np.zeros((4, 5), np.uint8)) + b"\0", "with 33 bytes, but expected 32"),
        (gzip.compress(idx(np.zeros((4, 5), np.uint8)))[:-9], "can't be decompressed"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "but expected"),
    ],
    ids=[
        "empty",
        "text",
        "head-cut",
        "cut",
        "too-long",
        "gzip-cut",
        "huge",
    ],  # gzip's bytes hold the time
)
def test_invalid_idx_files_raise(content, message, tmp_path):
    """Truncated, too long and other files raise an error with the name, before allocation."""
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(ValueError, match=rf"Got '.*broken'.*{message}"):
        load_idx(tmp_path / "broken")
