"""Units of X in fit and afterwards, and the dtype of results."""

import warnings

import numpy as np
import pytest
import torch

from skae import ConvAutoencoder, DenseAutoencoder, ReconstructionDetector
from skae._input.streaming import StreamedRows
from skae._input.units import measure_units, result_dtype, to_dtype, warn_if_other_units

from ..cases import low_rank

METHODS = ("transform", "reconstruct", "reconstruction_error", "score", "partial_fit")
KINDS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "tensor": torch.from_numpy,
    "streamed": StreamedRows,
}


def pixels(n=40, d=12):
    """Sample rows of values from 0 to 255."""
    return low_rank(n, d, low=0, high=255)


@pytest.mark.parametrize("kind", KINDS)
def test_units_are_measured(kind):
    """The largest absolute value, and the share of rows without a value above its fiftieth."""
    X = np.full((50, 3), -1.0)
    X[:5] = 200.0
    X[5] = 4.0  # a fiftieth is still small
    max_abs, small_share = measure_units(KINDS[kind](X))
    assert max_abs == 200
    assert small_share == 45 / 50


def test_dark_images_of_another_dtype_warn():
    """Between uint8 and floats, a ratio below 50 warns as well if one side is within [0, 1]."""
    with pytest.warns(UserWarning, match="X is 1, but it was 16 in fit"):
        warn_if_other_units(np.array([[0.0, 1.0]]), 16.0, dtype="uint8")
    with pytest.warns(UserWarning, match="X is 16, but it was 1 in fit"):
        warn_if_other_units(np.array([[0, 16]], dtype=np.uint8), 1.0, dtype="float64")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_other_units(np.array([[0.0, 1.0]]), 16.0, dtype="float64")
        warn_if_other_units(np.array([[0.0, 1.5]]), 16.0, dtype="uint8")
        warn_if_other_units(np.array([[0, 1]], dtype=np.uint8), 1.0, dtype="float64")


def test_missing_values_have_no_units():
    """NaN is left out of the units of fit and of later rows."""
    X = np.array([[np.nan, 2.0], [-3.0, np.nan], [np.nan, np.nan]])
    assert measure_units(X) == (3.0, 1 / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_other_units(X, 3.0)
        warn_if_other_units(X[2:], 3.0)
    with pytest.warns(UserWarning, match="X is 3, but it was 1000 in fit"):
        warn_if_other_units(X, 1000.0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [*KINDS, "uint8"])
def test_other_units_warn_in_both_directions(method, kind):
    """After a fit on [0, 1], values from 0 to 255 warn in every method, and the other way round."""
    X = pixels()
    large = KINDS.get(kind, lambda X: np.rint(X).astype(np.uint8))(X)
    small = KINDS.get(kind, lambda X: X)(X / 255)
    for seen, other in ((X / 255, large), (X, small)):
        autoencoder = DenseAutoencoder(2, random_state=0).partial_fit(seen)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            getattr(autoencoder, method)(seen)
        if method == "partial_fit" and kind == "uint8" and other is large:
            continue  # an error: the dtype can't change
        with pytest.warns(UserWarning, match="but it was (1|255) in fit. Pass X in the units"):
            getattr(autoencoder, method)(other)


def test_x_val_and_warm_start_in_other_units_warn():
    """Validation samples and a resumed fit are compared with the X of fit."""
    X = pixels()
    with pytest.warns(UserWarning, match="X is 255, but it was 1 in fit"):
        autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(X / 255, X_val=X)
    with pytest.warns(UserWarning, match="X is 255, but it was 1 in fit"):
        autoencoder.set_params(warm_start=True).fit(X)


def test_rows_like_those_of_fit_do_not_warn():
    """Rows of small values warn only if they are unlikely in the X of fit."""
    rng = np.random.default_rng(0)
    X = rng.standard_cauchy((300, 4))
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for row in X:
            autoencoder.transform(row[None])
        autoencoder.transform(np.zeros((2, 4)))


def test_detectors_compare_units_before_they_standardize():
    """A detector of a standardized table warns with values of X."""
    X = pixels(60)
    detector = ReconstructionDetector(DenseAutoencoder(2, max_iter=1), random_state=0).fit(X)
    with pytest.warns(UserWarning, match="X is 1, but it was 255 in fit"):
        detector.predict(X / 255)


@pytest.mark.parametrize(
    ("mean", "scale", "dtype", "expected"),
    [
        (100.0, 1.0, "float64", "float32"),
        (101.0, 1.0, "float64", "float64"),
        (-101.0, 1.0, "int64", "float64"),
        (1e9, 1.0, "float32", "float32"),
        (255.0, 0.1, "uint8", "float32"),
    ],
)
def test_result_dtype(mean, scale, dtype, expected):
    """Float64 from a mean of more than 100 scales on, unless X itself has no more digits."""
    assert result_dtype(torch.tensor([0.0, mean]).double(), scale, dtype) == expected


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32"])
def test_integers_are_rounded_and_clipped(name):
    """Values are rounded to whole numbers, and clipped to the range of the dtype."""
    dtype = getattr(torch, name)
    limits = np.iinfo(name)
    values = torch.tensor([1.4, 2.6, -1e30, 1e30], dtype=torch.float64)
    result = to_dtype(values, dtype).numpy()
    assert result.dtype == np.dtype(name)
    assert result[0] == 1
    assert result[1] == 3
    assert result[2] == limits.min
    assert result[3] >= limits.max - 1024


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_output_dtype_is_that_of_fit(dtype, kind):
    """With output_dtype="input", images come back in the dtype of fit, and exact ones by default."""
    X = np.rint(pixels(40, 16)).astype(dtype).reshape(40, 4, 4)
    autoencoder = ConvAutoencoder(2, max_iter=1, random_state=0).fit(X)
    exact = autoencoder.reconstruct(X)
    assert exact.dtype == np.float32
    autoencoder.set_params(output_dtype="input")
    if kind == "tensor":
        X = torch.from_numpy(X)
    for result in (
        autoencoder.reconstruct(X),
        autoencoder.inverse_transform(autoencoder.transform(X)),
    ):
        assert isinstance(result, type(X))
        result = np.asarray(result)
        assert result.dtype == np.dtype(dtype)
        expected = exact
        if np.dtype(dtype).kind != "f":
            expected = np.rint(exact)
        if dtype == "uint8":
            expected = expected.clip(0, 255)
        np.testing.assert_allclose(result, expected, atol=1e-4)
    assert autoencoder.transform(X).dtype in (np.float32, torch.float32)
