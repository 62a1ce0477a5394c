"""Fitted autoencoders shared by the tests of the displays."""

import matplotlib.pyplot as plt
import pytest

from skae import ConvAutoencoder, DenseAutoencoder

from .data import CHANNELS, COLOR, GRAY, QUICK, SIGNALS, TABLE

plt.switch_backend("Agg")


@pytest.fixture(scope="package")
def gray():
    """Autoencoder of gray images."""
    return ConvAutoencoder(3, **QUICK).fit(GRAY)


@pytest.fixture(scope="package")
def color():
    """Autoencoder of color images of dtype uint8."""
    return ConvAutoencoder(3, **QUICK).fit(COLOR)


@pytest.fixture(scope="package")
def table():
    """Autoencoder of a table with column names."""
    return DenseAutoencoder(3, **QUICK).fit(TABLE)


@pytest.fixture(scope="package")
def signal():
    """Autoencoder of signals."""
    return ConvAutoencoder(3, image_shape=(1, 50), **QUICK).fit(SIGNALS)


@pytest.fixture(scope="package")
def channels():
    """Autoencoder of signals with two channels in different units."""
    return ConvAutoencoder(3, signals=True, **QUICK).fit(CHANNELS)


@pytest.fixture(scope="package")
def ordered():
    """Autoencoder of a table, with ordered latents."""
    return DenseAutoencoder(4, bottleneck="ordered", **QUICK).fit(TABLE)
