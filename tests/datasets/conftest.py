"""Fixtures shared by the tests of the data sets."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from skae._input import batching, streaming

from .data import N


@pytest.fixture
def streams(monkeypatch):
    """Stream small data, too, with small blocks and buffers."""
    monkeypatch.setattr(streaming, "STREAMED_BYTES", 0)
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 512)
    monkeypatch.setattr(batching, "BUFFER_BYTES", 2048)


@pytest.fixture(scope="module")
def digits_folder(tmp_path_factory):
    """Write 60 digits as PNG files, one subfolder a class; return folder, images and labels."""
    root = tmp_path_factory.mktemp("digits")
    images, labels = load_digits().images[:N], load_digits().target[:N]
    order = np.argsort(labels, kind="stable")
    images, labels = (images[order] * 15).astype(np.uint8), labels[order].astype(str)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / label / f"{number:03d}.png")
    return root, images, labels
