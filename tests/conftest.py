"""Options and fixtures for all tests."""

import os

# Two workers with two threads each would wait for each other on two cores. The variable counts for subprocesses and for
# libraries that are imported later. Plugins of pytest have imported others already, which `threadpool_limits` changes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from .cases import CASES, gray_images, low_rank

threadpool_limits(int(os.environ["OMP_NUM_THREADS"]))

collect_ignore = ["consumers", "mutations"]  # programs that are checked or run by themselves


def pytest_addoption(parser):
    """Add the option for the device of networks."""
    parser.addoption("--device", default="cpu", help="device of the networks, such as cuda")


def pytest_collection_modifyitems(config, items):
    """Raise each warning of a docstring's example as an error; tests train for an epoch or two.

    Checks of the array API need a variable at the start of the process. Without it they would be
    skipped: test_array_api.py runs them in a process of their own.
    """
    if "SCIPY_ARRAY_API" not in os.environ:
        skipped = [item for item in items if "check_array_api" in item.name]
        config.hook.pytest_deselected(items=skipped)
        items[:] = [item for item in items if "check_array_api" not in item.name]
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            item.add_marker(pytest.mark.filterwarnings("error::UserWarning"))


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
    """Sixty rows of eight features, with most variance in three directions."""
    return low_rank(60, 8)


@pytest.fixture(scope="session")
def images():
    """Forty gray images of 6 x 5 pixels."""
    return gray_images(40, 6, 5)


@pytest.fixture(scope="session")
def digits():
    """Four hundred of scikit-learn's digits as flat rows between 0 and 1, and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


@pytest.fixture
def closed_figures():
    """Close the figures of a test, and check that matplotlib's settings are unchanged."""
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before
