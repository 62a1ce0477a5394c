"""Array API: arrays of other libraries go in and come out."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils import get_tags

from skae import ConvAutoencoder, DenseAutoencoder
from skae._input.array_api import as_known_array, returns_own_arrays
from skae.bottlenecks import Ordered

PROGRAM = Path(__file__).parent.parent / "consumers" / "array_api.py"

ABSENT = ("not installed", "not available", "XPU", "MPS", "which is not available")
"""Parts of reasons why a check is skipped: a library or a device is absent."""


@pytest.fixture(scope="module")
def lines():
    """Return the output of the program in a process of its own, since SciPy reads the variable once."""
    root = PROGRAM.parent.parent.parent
    environment = {
        **os.environ,
        "SCIPY_ARRAY_API": "1",
        "PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAM)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return [line.split("|") for line in result.stdout.splitlines() if "|" in line]


def test_the_array_api_checks_of_scikit_learn(lines):
    """All checks of NumPy and of tensors on the CPU pass; others are skipped for want of a library or a device."""
    passed = [line for line in lines if line[-1] == "passed" and line[0].isdigit()]
    skipped = [line for line in lines if line[-1].startswith("skipped")]
    accepting = [line for line in lines if line[-1] == "accepts other libraries"]
    assert len(passed) + len(skipped) + len(accepting) == len(lines) - 1
    for line in skipped:
        assert any(reason in line[-1] for reason in ABSENT), line
    for number in range(7):
        settings = [line[2] for line in passed if line[0] == str(number)]
        assert any("numpy" in one for one in settings)
        n_tensors = sum("torch" in one and "float" in one for one in settings)
        assert n_tensors == (2 if number < 4 else 0)
        assert any("array_api_strict" in one for one in settings) == (number < 4)


def test_a_pipeline_of_tensors(lines):
    """A scaler, an autoencoder and a regressor exchange tensors under array_api_dispatch."""
    assert ["pipeline", "passed"] in lines


def test_the_tag_excludes_fitted_attributes_of_numpy():
    """Options with arrays as fitted attributes, which stay arrays of NumPy, have no tag."""
    for parameters, expected in [
        ({}, True),
        ({"bottleneck": "variational", "penalty": None}, True),
        ({"penalty": "sparsity"}, True),
        ({"penalty": "rate"}, False),
        ({"bottleneck": Ordered()}, False),
        ({"bottleneck": "quantized"}, False),
        ({"bottleneck": "nothing", "penalty": 3}, True),
    ]:
        for make in (DenseAutoencoder, ConvAutoencoder):
            assert get_tags(make(**parameters)).array_api_support == expected


class Namespace:
    """A library of arrays with one function."""

    @staticmethod
    def from_dlpack(x):
        """Return an array that shares the memory of a tensor."""
        return DeviceArray(torch.from_dlpack(x))


class DeviceArray:
    """An array like those of CuPy: NumPy cannot read it, and DLPack can."""

    def __init__(self, values):
        self.values = values

    shape = property(lambda self: tuple(self.values.shape))
    ndim = property(lambda self: self.values.ndim)
    dtype = property(lambda self: np.dtype(str(self.values.dtype).removeprefix("torch.")))

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_namespace__(self, api_version=None):
        return Namespace

    def __dlpack__(self, **kwargs):
        return self.values.__dlpack__()

    def __dlpack_device__(self):
        return (3, 0)  # pinned memory, which is not that of the CPU

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return DeviceArray(self.values[index])


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_arrays_of_a_device(make, images):
    """Arrays that only DLPack reads are fitted and transformed, and results are arrays of their library."""
    X = images if make is ConvAutoencoder else images.reshape(len(images), -1)
    fitted = make(2, max_iter=2, early_stopping=False, random_state=0).fit(X)
    given = DeviceArray(torch.from_numpy(X.copy()))
    again = make(2, max_iter=2, early_stopping=False, random_state=0).fit(given)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    Z = fitted.transform(given)
    assert isinstance(Z, DeviceArray)
    np.testing.assert_array_equal(Z.values.numpy(), fitted.transform(X))
    X_hat = fitted.inverse_transform(Z)
    assert isinstance(X_hat, DeviceArray)
    assert X_hat.shape == X.shape
    reconstructed = fitted.reconstruct(given)
    np.testing.assert_array_equal(reconstructed.values.numpy(), fitted.reconstruct(X))
    assert fitted.score(given) == fitted.score(X)
    assert isinstance(fitted.set_output(transform="pandas").transform(given).to_numpy(), np.ndarray)


def test_other_objects_are_unchanged(rows):
    """Arrays of NumPy and torch, lists and arrays in the memory of the CPU are read as before."""

    class OnCPU(DeviceArray):
        def __dlpack_device__(self):
            return (1, 0)

    for X in (rows, torch.from_numpy(rows), rows.tolist(), OnCPU(torch.ones(2, 3)), None, "x"):
        assert as_known_array(X) is X
        assert not returns_own_arrays(X)
