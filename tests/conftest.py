"""Options and fixtures for all tests."""

import os

# Two workers with two threads each would wait for each other on two cores. The variable counts for subprocesses and has to be
# set before NumPy and torch are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from .cases import CASES, gray_images, low_rank

collect_ignore = ["consumers", "mutations"]  # programs that are checked or run by themselves


def pytest_addoption(parser):
    """Add the option that says where networks are trained."""
    parser.addoption(
        "--device", default="cpu", help="device that the laws are tested on, such as cuda"
    )


@pytest.fixture(scope="session")
def device(request):
    """Name of the device to fit on."""
    return request.config.getoption("--device")


@pytest.fixture(scope="session", params=CASES, ids=lambda case: case.name)
def case(request):
    """Each configuration of the table in turn."""
    return request.param


@pytest.fixture(scope="session")
def fitted(case, device):
    """The estimator of a configuration, fitted once: tests copy it before they change it."""
    return clone(case.estimator).set_params(device=device).fit(case.X)


@pytest.fixture
def rng():
    """Seeded generator of NumPy."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def rows():
    """Sixty rows of eight numbers with three directions of most variance."""
    return low_rank(60, 8)


@pytest.fixture(scope="session")
def images():
    """Forty grey images of 6 x 5 pixels."""
    return gray_images(40, 6, 5)


@pytest.fixture(scope="session")
def digits():
    """Four hundred of scikit-learn's digits as flat rows between 0 and 1, and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


@pytest.fixture
def closed_figures():
    """Close the figures of a test, and see that it left matplotlib's settings alone."""
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before
