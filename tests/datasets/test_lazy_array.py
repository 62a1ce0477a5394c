"""Lazy arrays: indexing, and reading by threads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from torch.utils.data import TensorDataset

from skae.datasets import ImageFolder, _images, from_torch

from .data import N


def test_a_folder_is_an_array_of_images(digits_folder):
    """Shape, dtype, pixels and labels are those of the files, sorted by name."""
    root, images, labels = digits_folder
    folder = ImageFolder(root, mode="L")
    assert (folder.shape, folder.dtype, folder.ndim, len(folder)) == ((N, 8, 8), np.uint8, 3, N)
    assert_array_equal(folder[:], images)
    assert_array_equal(folder[7], images[7])
    assert folder[7].flags.writeable
    assert_array_equal(np.asarray(folder, dtype=np.float32), images)
    assert_array_equal(folder.labels, labels)
    assert_array_equal(folder.classes, np.unique(labels))
    assert [Path(path).name for path in folder.paths] == [
        f"{number:03d}.png" for number in range(N)
    ]
    assert "60 images of 8 x 8 pixels" in repr(folder)
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(folder, copy=False)


def test_color_images_have_three_channels(digits_folder):
    """Gray files read as color images have three equal channels."""
    root, images, _ = digits_folder
    folder = ImageFolder(root)
    assert folder.shape == (N, 8, 8, 3)
    assert_array_equal(folder[:5], np.repeat(images[:5, ..., None], 3, axis=-1))


@given(st.data())
def test_indexing_is_that_of_arrays(data):
    """Ints, slices, lists and masks select as in an array; lists and masks read nothing."""
    n = 12
    X = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    read = []

    class RecordingDataset(TensorDataset):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    items = from_torch(RecordingDataset(torch.from_numpy(X)))
    indices = data.draw(st.lists(st.integers(-n, n - 1), max_size=20))
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    chunk = data.draw(st.slices(n))
    expected = X[np.array(indices, dtype=int)]
    half = len(indices) // 2
    read.clear()
    subset = items[np.array(indices, dtype=int)]
    masked = items[mask]
    assert not read
    assert subset.shape == expected.shape
    if indices:
        reversed_items = items[indices, ...][::-1]
        assert len(read) == len(indices)
        assert_array_equal(reversed_items[:half], expected[::-1][:half])
    assert_array_equal(subset[:], expected)
    assert_array_equal(masked[:], X[mask])
    assert_array_equal(items[chunk], X[chunk])
    for index in indices:
        assert_array_equal(items[index], X[index])
    assert_array_equal(np.stack(list(items)), X)
    assert_array_equal(items[np.array(indices, dtype=np.int8)][:], expected)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (N, "Got index 60, which is out of bounds for 60 items"),
        (-N - 1, "Got index -61"),
        ([0, N], "Got index 60"),
        ([True, False], "a mask of 60 booleans"),
        ([0.5], "but expected an int, a slice"),
        ("a", "but expected an int, a slice"),
        (None, "but expected an int, a slice"),
        (True, "a mask of 60 booleans"),
        (([0], [1]), "but expected an int, a slice"),
        ((slice(2), slice(3)), "but expected an int, a slice"),
    ],
)
def test_invalid_indices_raise(index, message, digits_folder):
    """Indices that are out of bounds, or of an invalid type, raise an IndexError."""
    folder = ImageFolder(digits_folder[0], mode="L")
    with pytest.raises(IndexError, match=message):
        folder[index]


def test_large_images_are_decoded_by_threads(digits_folder, monkeypatch):
    """Large images are decoded by as many threads as PyTorch has, with equal results."""
    root, images, _ = digits_folder
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert ImageFolder(root, mode="L")._n_threads() == 1
    monkeypatch.setattr(_images, "SHARED_PIXELS", 0)
    folder = ImageFolder(root, mode="L")
    for threads in (1, 2, 5, 100):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert folder._n_threads() == threads
        assert_array_equal(folder[:], images)
        assert_array_equal(folder[3:5], images[3:5])
