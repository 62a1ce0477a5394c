"""Validation of rows, latent vectors, weights and seeds."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils.validation import check_random_state

from skae import DenseAutoencoder
from skae._input import validation as check


def checked(X, *, reset=True):
    """Validate rows for an estimator that is not fitted."""
    return check.check_rows(DenseAutoencoder(), X, reset=reset)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "i8", "u8", "f4", "f8"])
def test_dtypes_are_kept(dtype):
    """Rows keep their dtype: uint8 stays uint8."""
    assert checked(np.ones((3, 2), dtype=dtype)).dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("?", np.float32), ("f2", np.float32), (np.longdouble, np.float64)]
)
def test_unsupported_dtypes_are_converted(dtype, expected):
    """Dtypes without support in torch become the nearest supported one."""
    X = checked(np.ones((3, 2), dtype=dtype))
    assert X.dtype == expected
    assert (X == 1).all()


def test_objects_of_numbers_are_converted():
    """Numbers in an array of objects become floats, as in scikit-learn."""
    assert checked(np.array([[1, 2.5], [3, 4]], dtype=object)).tolist() == [[1, 2.5], [3, 4]]


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf")])
@pytest.mark.parametrize("kind", ["array", "tensor", "frame", "float32", "list"])
def test_error_has_the_place_of_values_that_are_not_finite(kind, value, word):
    """The error for NaN and infinity has the column, its name, and the row."""
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


def test_a_late_invalid_value_is_an_error():
    """All chunks of a long array are checked, and the row is counted from the first."""
    X = np.zeros((9000, 1000), dtype=np.float32)
    X[8765, 432] = np.nan
    with pytest.raises(ValueError, match=r"column 432, row 8765"):
        check.check_finite(X)


@pytest.mark.parametrize("value", [1e38, -1e38, 1e300])
def test_values_too_large_for_float32_are_an_error(value):
    """Values beyond the range of float32 are an error, not infinity."""
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
    """Only proportions of weights count, and tiny weights become zero."""
    normalized = check.check_weights(weights, np.zeros((3, 2)))
    if expected is None:
        assert normalized is None
    else:
        assert normalized.tolist() == expected


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_weights_of_any_unit(scale):
    """Tiny and huge weights neither vanish nor overflow."""
    np.testing.assert_allclose(
        check.check_weights(np.array([1.0, 3.0]) * scale, np.zeros((2, 1))), [0.5, 1.5]
    )


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
def test_invalid_weights(weights, message):
    """Negative, all-zero, too few, and non-numeric weights are errors."""
    with pytest.raises(ValueError, match=message):
        check.check_weights(weights, np.zeros((3, 2)))


def test_seeds():
    """An int is the seed itself, and a RandomState gives another seed each time."""
    assert check.resolve_seed(7) == 7
    assert check.resolve_seed(np.random.RandomState(3)) == check.resolve_seed(check_random_state(3))
    state = np.random.RandomState(3)
    assert check.resolve_seed(state) != check.resolve_seed(state)


@pytest.mark.parametrize(
    "Z", [np.ones((2, 3)), torch.ones(2, 3), [[1, 2, 3], [4, 5, 6]], np.ones((2, 3), dtype="i4")]
)
def test_latent_vectors_of_any_kind_are_valid(Z):
    """Latent vectors may be arrays, tensors or lists of any real dtype."""
    assert check.check_codes(Z, 3).shape == (2, 3)
