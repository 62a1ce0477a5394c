"""The documentation's table of options with own modules is that of the code."""

import ast
import csv
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from skae import ModuleAutoencoder
from skae.augmentations import AUGMENTATIONS, Crop
from skae.autoencoders._parameters import OPTION_WORDS
from skae.features import FEATURES
from skae.penalties import Contraction, Spread

from ..cases import color_images, gray_images, low_rank
from ..own_modules import (
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    LSTMDecoder,
    LSTMEncoder,
    TransformerEncoder,
)

TABLE = Path(__file__).parent.parent.parent / "docs" / "module_options.csv"

SAMPLES = {
    "table": (DenseEncoder, DenseDecoder, low_rank(40, 6, low=0, high=1)),
    "images": (ConvEncoder, ConvDecoder, color_images(40, 6, 6)),
    "windows": (LSTMEncoder, LSTMDecoder, gray_images(40, 9, 2)),
}
"""Encoder, decoder and X of each column of the table."""


def mean_error(x_hat, x):
    """Return the mean absolute error of each sample."""
    return (x_hat - x).abs().flatten(1).mean(1)


def halved(x, generator):
    """Return changed samples."""
    return x / 2


FUNCTIONS = {"loss": mean_error, "corruption": halved, "augmentation": halved}


def read_table():
    """Return the rows of the table: parameters, and whether each kind of samples is accepted."""
    rows = []
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            name, _, kind = row["option"].partition(" ")
            name = name.strip("`")
            if kind == "(function)":
                parameters = {name: FUNCTIONS[name]}
            else:
                node = ast.parse(f"dict({name})", mode="eval").body
                parameters = {one.arg: ast.literal_eval(one.value) for one in node.keywords}
            for samples in SAMPLES:
                assert row[samples] in ("yes", "no")
                rows.append((samples, parameters, row[samples] == "yes"))
    return rows


ROWS = read_table()


def test_the_table_has_all_words():
    """Each word of each option has a row."""
    words = {**OPTION_WORDS, "augmentation": AUGMENTATIONS, "features": FEATURES}
    expected = {(option, word) for option, known in words.items() for word in known}
    found = {item for _, parameters, _ in ROWS for item in parameters.items()}
    assert expected <= found


def name_of(value):
    """Return a name for a parameter of a test, which is the same in every process."""
    return re.sub(" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.parametrize(("samples", "parameters", "is_accepted"), ROWS, ids=name_of)
@pytest.mark.parametrize("residual", ["pca", None])
def test_options_with_own_modules(samples, parameters, is_accepted, residual):
    """`fit` trains with each option of the table, or refuses it before training."""
    encoder, decoder, X = SAMPLES[samples]
    if "allow_nan" in parameters:
        X = X.copy()
        X[::3, 1] = np.nan
    y = None
    if "target_weight" in parameters:
        y = np.arange(len(X)) % 2
    fast = {"max_iter": 2, "early_stopping": False, "random_state": 0}
    estimator = ModuleAutoencoder(encoder, decoder, 4, residual=residual, **fast, **parameters)
    if not is_accepted:
        (name,) = parameters
        with pytest.raises((TypeError, ValueError), match=name):
            estimator.fit(X, y)
        assert not hasattr(estimator, "net_")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # codebooks and latent vectors of two epochs
        estimator.fit(X, y)
    assert np.isfinite(estimator.loss_curve_).all()
    assert estimator.transform(X).shape == (len(X), 4)
    X_hat = estimator.reconstruct(X)
    assert X_hat.shape == X.shape
    assert np.isfinite(X_hat).all()


def test_contraction_of_attention():
    """The penalty differentiates attention twice."""
    X = gray_images(40, 9, 2)
    estimator = ModuleAutoencoder(
        TransformerEncoder, LSTMDecoder, 3, penalty="contraction", max_iter=1, random_state=0
    ).fit(X)
    assert np.isfinite(estimator.loss_curve_).all()


@pytest.mark.parametrize(("samples", "n_directions"), [("images", 1), ("table", 4)])
def test_penalties_distinguish_images_and_tables(samples, n_directions, monkeypatch):
    """Views of images are crops, and the contraction of images is estimated in one direction."""
    crops, directions = [], []
    crop, draw = Crop.__call__, Contraction._directions

    def record_crop(self, x, generator):
        crops.append(x.shape[1:])
        return crop(self, x, generator)

    def record_directions(self, inputs):
        drawn = draw(self, inputs)
        directions.append(len(drawn))
        return drawn

    monkeypatch.setattr(Crop, "__call__", record_crop)
    monkeypatch.setattr(Contraction, "_directions", record_directions)
    encoder, decoder, X = SAMPLES[samples]
    for penalty in ("spread", "contraction"):
        ModuleAutoencoder(
            encoder, decoder, 4, penalty=penalty, max_iter=1, early_stopping=False, random_state=0
        ).fit(X)
    assert set(crops) == ({(3, 6, 6)} if samples == "images" else set())
    assert set(directions) == {n_directions}


def test_crops_of_tables_are_refused():
    """Views that require images are an error before training."""
    encoder, decoder, X = SAMPLES["table"]
    estimator = ModuleAutoencoder(encoder, decoder, 4, penalty=Spread(views="crop"))
    with pytest.raises(ValueError, match="requires images"):
        estimator.fit(X)
