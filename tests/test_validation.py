"""X in, checked array out; devices, seeds and weights."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils.validation import check_random_state

from skae import DenseAutoencoder
from skae import _validation as check


def checked(X, *, reset=True):
    """Check rows for an estimator that isn't fitted."""
    return check.check_rows(DenseAutoencoder(), X, reset=reset)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "i8", "u8", "f4", "f8"])
def test_dtypes_are_kept(dtype):
    """Rows come out in the dtype they came in: uint8 stays uint8."""
    assert checked(np.ones((3, 2), dtype=dtype)).dtype == np.dtype(dtype)


@pytest.mark.parametrize(("dtype", "expected"), [("?", np.float32), ("f2", np.float32), (np.longdouble, np.float64)])
def test_dtypes_that_torch_does_not_take(dtype, expected):
    """The few dtypes that can't be computed with become the nearest that can."""
    found = checked(np.ones((3, 2), dtype=dtype))
    assert found.dtype == expected
    assert (found == 1).all()


def test_objects_that_are_numbers_are_taken():
    """Numbers in an array or a table of objects become numbers, as everywhere in scikit-learn."""
    assert checked(np.array([[1, 2.5], [3, 4]], dtype=object)).tolist() == [[1, 2.5], [3, 4]]


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf")])
@pytest.mark.parametrize("kind", ["array", "tensor", "frame", "float32", "list"])
def test_the_place_of_what_is_not_finite_is_named(kind, value, word):
    """NaN and infinity are refused with the column (and its name) in which they stand."""
    X = np.arange(40, dtype=np.float64).reshape(10, 4)
    X[7, 2] = value
    X = {
        "array": lambda: X,
        "float32": lambda: X.astype(np.float32),
        "tensor": lambda: torch.tensor(X),
        "frame": lambda: pd.DataFrame(X, columns=["a", "b", "size", "d"]),
        "list": X.tolist,
    }[kind]()
    with pytest.raises(ValueError, match=f"(?i){word}.*column 2.*row 7") as caught:
        checked(X)
    assert "size" in str(caught.value) or kind != "frame"


def test_a_late_bad_number_is_found():
    """All pieces of a long array are looked at, and the row is counted from the first."""
    X = np.zeros((9000, 1000), dtype=np.float32)
    X[8765, 432] = np.nan
    with pytest.raises(ValueError, match=r"column 432, row 8765"):
        check.check_finite(X)


@pytest.mark.parametrize("value", [1e38, -1e38, 1e300])
def test_numbers_beyond_float32_are_refused(value):
    """What codes in float32 can't hold is named, not turned into infinity."""
    X = np.ones((4, 3))
    X[1, 2] = value
    with pytest.raises(ValueError, match=r"too large for float32.*column 2"):
        checked(X)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, None),
        ([1, 1, 1], [1, 1, 1]),
        ([2, 0, 2], [1, 0, 1]),
        ([1, 2, 3], [0.5, 1, 1.5]),
        (3.0, [1, 1, 1]),
        ([1e300, 1e-300, 1e300], [1, 0, 1]),
    ],
)
def test_weights_have_a_mean_of_one(weights, expected):
    """Only the proportions of weights count, and one that is rounding beside the largest doesn't."""
    found = check.check_weights(weights, np.zeros((3, 2)))
    assert found is None if expected is None else found.tolist() == expected


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_weights_of_any_unit(scale):
    """Tiny and huge weights neither vanish nor overflow."""
    np.testing.assert_allclose(check.check_weights(np.array([1.0, 3.0]) * scale, np.zeros((2, 1))), [0.5, 1.5])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1, 1], r"(?i)negative"),
        ([0, 0, 0], "zero"),
        ([1, 2], r"sample_weight"),
        ([[1], [1], [1]], "1D|2D|dimension"),
        ([1, np.nan, 1], "NaN"),
        ([1, np.inf, 1], "inf"),
        (["a", "b", "c"], "convert|numeric"),
    ],
)
def test_bad_weights(weights, message):
    """Weights that are negative, all zero, too few, or no numbers are refused."""
    with pytest.raises(ValueError, match=message):
        check.check_weights(weights, np.zeros((3, 2)))


def test_the_cpu_is_always_there():
    """The name of the CPU is always valid, and "auto" is CUDA, then MPS, then CPU."""
    assert check.resolve_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert check.resolve_device("auto").type == expected


def test_auto_prefers_cuda_then_mps(monkeypatch):
    """The device "auto" is CUDA where there is CUDA, else MPS where there is MPS."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert check.resolve_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert check.resolve_device("auto").type == "cuda"
    assert check.resolve_device("cuda:1") == torch.device("cuda:1")
    assert check.resolve_device("cuda").type == "cuda"


@pytest.mark.parametrize("device", ["cuda:99", "meta", "gpu", "", "cuda:x"])
def test_a_device_that_is_not_there(device):
    """The error has the name given and the devices that are there."""
    with pytest.raises(ValueError, match=rf"device='{device}'.*\['cpu'"):
        check.resolve_device(device)


def test_a_loaded_model_falls_back_to_the_cpu():
    """With fall_back, a device that is not there becomes the CPU, with a warning."""
    with pytest.warns(UserWarning, match=r"device='cuda:99'.*CPU"):
        assert check.resolve_device("cuda:99", fall_back=True) == torch.device("cpu")


def test_seeds():
    """An integer is the seed itself, a RandomState gives the next number, and None another each time."""
    assert check.seeded(7) == 7
    assert check.seeded(np.random.RandomState(3)) == check.seeded(check_random_state(3))
    state = np.random.RandomState(3)
    assert check.seeded(state) != check.seeded(state)


@pytest.mark.parametrize("Z", [np.ones((2, 3)), torch.ones(2, 3), [[1, 2, 3], [4, 5, 6]], np.ones((2, 3), dtype="i4")])
def test_codes_of_the_right_width_pass(Z):
    """Codes may be arrays, tensors, lists, of any real dtype."""
    assert check.check_codes(Z, 3).shape == (2, 3)
