"""PyTorch data sets as lazy arrays."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.model_selection import GridSearchCV, train_test_split
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
)

from skae import DenseAutoencoder
from skae.datasets import from_torch

from .data import conv


class Pairs(Dataset):
    """Pairs of an image with channels first and a label, as in torchvision's data sets."""

    def __init__(self, n=40, kind="tensor"):
        self.X = torch.randint(
            0, 255, (n, 3, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
        )
        self.kind = kind

    def __len__(self):
        return len(self.X)

    def __getitem__(self, number):
        x = self.X[number]
        if self.kind == "image":
            return Image.fromarray(x.movedim(0, -1).numpy()), number % 2
        if self.kind == "dict":
            return {"image": x, "label": number % 2}
        if self.kind == "half":
            return x.bfloat16(), number % 2
        if self.kind == "array":
            return x.numpy(), number % 2
        return x, number % 2


@pytest.mark.parametrize("kind", ["tensor", "array", "half", "dict", "image"])
def test_pytorch_datasets(kind, streams):
    """Items may be tensors, arrays, Pillow images, or tuples or dicts of these, also streamed."""
    dataset = Pairs(kind=kind)
    image_part, label_part = 0, 1
    if kind == "dict":
        image_part, label_part = "image", "label"
    expected, channel_axis, dtype, rtol = dataset.X.numpy(), 1, np.uint8, 0
    if kind == "image":
        expected, channel_axis = np.moveaxis(expected, 1, -1), -1
    if kind == "half":
        dtype, rtol = np.float32, 0.01
    X = from_torch(dataset, part=image_part)
    assert_allclose(X[:], expected, rtol=rtol)
    assert X.dtype == dtype
    assert "40 items of shape" in repr(X)
    fitted = conv(channel_axis=channel_axis).fit(X)
    assert_array_equal(fitted.transform(X), fitted.transform(X[:]))
    assert_array_equal(from_torch(dataset, part=label_part)[:], np.arange(40) % 2)


def test_subsets_and_concatenated_datasets(streams):
    """Subsets, concatenated data sets and splits of them are read in their own order."""
    dataset = Pairs()
    joined = from_torch(ConcatDataset([Subset(dataset, [5, 3]), Subset(dataset, [1])]))
    assert_array_equal(joined[:], dataset.X[[5, 3, 1]].numpy())
    train, test = train_test_split(from_torch(dataset), random_state=0)
    assert_array_equal(test[:], train_test_split(dataset.X.numpy(), random_state=0)[1])
    assert_array_equal(pickle.loads(pickle.dumps(train))[:3], train[:3])
    search = GridSearchCV(
        conv(channel_axis=1), {"max_iter": [1, 2]}, cv=2, n_jobs=2, error_score="raise"
    ).fit(train)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_pytorch_tables():
    """A DenseAutoencoder accepts a data set of vectors."""
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    X = from_torch(TensorDataset(rows))
    fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    assert_array_equal(fitted.transform(X), fitted.transform(rows.numpy()))


class Stream(IterableDataset):
    """Data set without indexing."""

    def __iter__(self):
        yield torch.zeros(3)


class Uneven(Dataset):
    """Data set with a third item of another shape or dtype than the first."""

    def __init__(self, other):
        self.other = other

    def __len__(self):
        return 5

    def __getitem__(self, number):
        return self.other if number == 2 else torch.zeros(3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (Stream(), TypeError, "type Stream, but expected a map-style dataset"),
        (7, TypeError, "type int, but expected a map-style dataset"),
        (TensorDataset(torch.zeros(0, 3)), ValueError, "without items"),
        ([("text", 1)], TypeError, "item of type str, but expected a tensor"),
        (
            Uneven(torch.zeros(4, dtype=torch.uint8)),
            ValueError,
            r"item 2 of shape \(4,\) and dtype uint8, but expected shape \(3,\) and dtype",
        ),
        (
            Uneven(torch.zeros(3)),
            ValueError,
            r"item 2 of shape \(3,\) and dtype float32, but expected shape \(3,\) and dtype uint8",
        ),
    ],
)
def test_invalid_datasets_raise(dataset, error, message):
    """Data sets without indexing or items, and items of different shapes or dtypes, raise."""
    with pytest.raises(error, match=message):
        from_torch(dataset)[:]


def test_fit_on_a_pytorch_dataset_names_from_torch():
    """Fit on a PyTorch data set or data loader raises an error that names from_torch."""
    for X in (Pairs(), DataLoader(Pairs())):
        with pytest.raises(
            TypeError,
            match=rf"Got X as a torch {type(X).__name__}, .* skae\.datasets\.from_torch",
        ):
            conv(channel_axis=1).fit(X)


class Dicts(Dataset):
    """Data set of two items that are dicts."""

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return {"image": torch.zeros(3), "label": number}


@pytest.mark.parametrize(
    ("dataset", "part", "message"),
    [
        (Dicts(), 0, r"Got part=0, but expected one of the keys \['image', 'label'\]"),
        (
            Dicts(),
            "pixels",
            r"Got part='pixels', but expected one of the keys \['image', 'label'\]",
        ),
        (
            TensorDataset(torch.zeros(2, 3)),
            1,
            "Got part=1, but expected a position from 0 to 0",
        ),
        (
            TensorDataset(torch.zeros(2, 3)),
            "image",
            "Got part='image', but expected a position from 0",
        ),
    ],
)
def test_invalid_parts_raise(dataset, part, message):
    """A `part` that items don't have raises an error with the valid positions or keys."""
    with pytest.raises(ValueError, match=message):
        from_torch(dataset, part=part)
