"""Image layouts: the shape of one image in X."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone

from skae import ConvAutoencoder
from skae._input.image_layout import infer_layout

SIDES = st.integers(1, 9)
DTYPES = st.sampled_from(["u1", "i1", "i2", ">i4", "u4", "i8", "f2", "f4", ">f8", "?"])


def fast(**parameters):
    """Return an estimator that is fitted in one epoch."""
    return ConvAutoencoder(
        1, max_iter=1, early_stopping=False, n_filters=1, random_state=0, **parameters
    )


def infer_without_warnings(X, image_shape, channel_axis):
    """Infer a layout without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return infer_layout(X, image_shape, channel_axis)


@given(
    st.data(),
    st.integers(1, 5),
    SIDES,
    SIDES,
    st.integers(1, 5),
    DTYPES,
    st.sampled_from([-3, -1, 1, 3]),
)
def test_flattening_is_reversible(data, n, height, width, channels, dtype, axis):
    """Flattened and restored images are unchanged, for any size, dtype and channel axis."""
    first = axis in (1, -3)
    shape = (channels, height, width) if first else (height, width, channels)
    X = data.draw(hnp.arrays(dtype, (n, *shape)))
    layout = infer_without_warnings(X, "auto", axis)
    assert layout.size == (channels, height, width)
    assert layout.n_features == math.prod(shape)
    rows = layout.flatten(X)
    assert rows.shape == (n, layout.n_features)
    assert rows.dtype == X.dtype
    np.testing.assert_array_equal(layout.unflatten(rows), X)
    np.testing.assert_array_equal(layout.unflatten(rows, X.shape), X)
    np.testing.assert_array_equal(layout.flatten(rows), rows)
    np.testing.assert_array_equal(layout.unflatten(rows, rows.shape), rows)
    # the same from flat rows, if the shape is given
    flat = infer_without_warnings(rows, shape, axis)
    assert flat.size == layout.size
    np.testing.assert_array_equal(flat.unflatten(rows), rows)
    np.testing.assert_array_equal(flat.flatten(X), rows)


@given(st.integers(1, 5), SIDES, SIDES, st.sampled_from([-1, 1]))
def test_three_dimensions_are_grayscale(n, height, width, axis):
    """(n, H, W) is grayscale images for any channel_axis."""
    layout = infer_layout(np.zeros((n, height, width)), "auto", axis)
    assert layout.size == (1, height, width)
    assert layout.image_shape == (height, width)
    assert not layout.flat


@given(st.integers(1, 200))
def test_flat_rows_are_squares_or_signals(d):
    """A square number of columns is a grayscale image, any other number a signal."""
    layout = infer_layout(np.zeros((2, d)), "auto", -1)
    side = math.isqrt(d)
    assert layout.image_shape == ((side, side) if side * side == d else (1, d))
    assert layout.flat


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.booleans(), st.booleans())
def test_images_of_any_size_are_fitted(height, width, channels, first, flat):
    """inverse_transform returns the size of fit, for images and for flat rows."""
    shape = (channels, height, width) if first else (height, width, channels)
    X = np.random.default_rng(0).random((6, *shape))
    X = X.reshape(6, -1) if flat else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        estimator = fast(
            image_shape=shape if flat else "auto", channel_axis=1 if first else -1
        ).fit(X)
    assert estimator.image_shape_ == shape
    assert estimator.inverse_transform(estimator.transform(X)).shape == X.shape
    assert np.isfinite(estimator.reconstruct(X)).all()


@pytest.mark.parametrize("side", [16, 17, 32])
def test_rows_that_may_be_color_images_warn(side):
    """3 m^2 columns with m >= 16 are signals, with a warning that recommends image_shape."""
    with pytest.warns(
        UserWarning, match=rf"{3 * side * side} columns.*image_shape=\({side}, {side}, 3\)"
    ):
        layout = infer_layout(np.zeros((2, 3 * side * side)), "auto", -1)
    assert layout.image_shape == (1, 3 * side * side)


@pytest.mark.parametrize("shape", [(2, 3, 9, 8), (2, 1, 9, 8), (2, 4, 9, 8)])
def test_channels_that_may_come_first_warn(shape):
    """1, 3 or 4 on axis 1 but not on the last is a warning that recommends channel_axis=1."""
    with pytest.warns(UserWarning, match="channel_axis=1"):
        layout = infer_layout(np.zeros(shape), "auto", -1)
    assert layout.size == (8, shape[1], 9)


@pytest.mark.parametrize("shape", [(20, 16, 3), (16, 40, 4)])
def test_one_image_that_may_be_color_warns(shape):
    """Tall images of width 3 or 4 are grayscale, with a warning that recommends X[None]."""
    with pytest.warns(
        UserWarning,
        match=rf"{shape[0]} grayscale images of {shape[1]} x {shape[2]} pixels.*X\[None\]",
    ):
        layout = infer_layout(np.zeros(shape), "auto", -1)
    assert layout.size == (1, *shape[1:])


@pytest.mark.parametrize(
    ("shape", "image_shape", "axis"),
    [
        ((20, 15, 4), "auto", -1),
        ((20, 16, 5), "auto", -1),
        ((20, 16, 3), (16, 3), -1),
        ((2, 3 * 15 * 15), "auto", -1),
        ((2, 3 * 16 * 16), (16, 16, 3), -1),
        ((2, 3, 9, 8), "auto", 1),
        ((2, 3, 9, 8), (3, 9, 8), -1),
        ((2, 3, 9, 3), "auto", -1),
        ((2, 9, 8, 3), "auto", -1),
        ((2, 5, 9, 8), "auto", -1),
        ((2, 3, 8), "auto", -1),
    ],
)
def test_unambiguous_layouts_do_not_warn(shape, image_shape, axis, recwarn):
    """There is no warning if parameters or shape determine the layout."""
    infer_layout(np.zeros(shape), image_shape, axis)
    assert not recwarn.list


@pytest.mark.parametrize(
    "image_shape", [(8, 8), [8, 8], np.array([8, 8]), (np.int64(8), np.int64(8)), (8.0, 8.0)]
)
def test_image_shape_may_be_any_sequence_of_integers(image_shape):
    """A list or an array becomes a tuple of int."""
    shape = infer_layout(np.zeros((2, 64)), image_shape, -1).image_shape
    assert shape == (8, 8)
    assert all(type(n) is int for n in shape)


@pytest.mark.parametrize(
    "image_shape",
    [(8,), (2, 2, 4, 4), (0, 64), (-8, -8), (8.5, 8), "square", 64, (None, 8), ("8", "8")],
)
def test_invalid_image_shapes(image_shape):
    """The error for an invalid image shape has the parameter name."""
    with pytest.raises(ValueError, match="image_shape"):
        fast(image_shape=image_shape).fit(np.zeros((3, 64)))


def test_the_image_shape_must_multiply_to_the_columns():
    """The error has image_shape, its number of values, and the number of columns."""
    with pytest.raises(ValueError, match=r"\(7, 9\).*63.*64"):
        fast(image_shape=(7, 9)).fit(np.zeros((3, 64)))


def test_image_shape_must_agree_with_images():
    """The error has the shapes of X and of the parameter."""
    with pytest.raises(ValueError, match=r"\(3, 4, 6\).*\(6, 4\)"):
        fast(image_shape=(6, 4)).fit(np.zeros((3, 4, 6)))


@pytest.mark.parametrize("given_shape", [(4, 6, 1), (4, 6)])
def test_the_axis_of_a_single_channel_is_optional(given_shape):
    """(H, W) and (H, W, 1) are the same image after fit."""
    X = np.random.default_rng(0).random((5, 4, 6))
    estimator = fast().fit(X.reshape(5, *given_shape))
    expected = estimator.transform(X)
    np.testing.assert_array_equal(estimator.transform(X[..., None]), expected)
    assert estimator.reconstruct(X[..., None]).shape == (5, 4, 6, 1)
    assert estimator.inverse_transform(expected).shape == (5, *given_shape)


@pytest.mark.parametrize("n", [1, 2])
def test_the_first_axis_of_a_single_channel_is_optional(n):
    """(H, W) and (1, H, W) are the same image after fit, also for one image."""
    X = np.random.default_rng(0).random((5, 1, 4, 6))
    estimator = fast(channel_axis=1).fit(X)
    np.testing.assert_array_equal(estimator.transform(X[:n, 0]), estimator.transform(X[:n]))
    assert estimator.reconstruct(X[:n, 0]).shape == (n, 4, 6)


def test_tensors_and_lists_have_layouts():
    """Nested lists and tensors have the layout of arrays."""
    X = np.random.default_rng(0).random((5, 3, 2))
    estimator = fast().fit(X)
    for other in (X.tolist(), torch.tensor(X), tuple(map(tuple, X.tolist()))):
        assert clone(estimator).fit(other).image_shape_ == (3, 2)
        np.testing.assert_allclose(
            np.asarray(estimator.transform(other)), estimator.transform(X), rtol=1e-5, atol=1e-6
        )


def test_channels_first_and_last_agree():
    """Images with channels first and last have nearly the same latent vectors."""
    X = np.random.default_rng(0).random((20, 5, 4, 3))
    last = ConvAutoencoder(2, max_iter=1, early_stopping=False, n_filters=2, random_state=0).fit(X)
    moved = np.moveaxis(X, -1, 1)
    first = ConvAutoencoder(
        2, max_iter=1, early_stopping=False, n_filters=2, random_state=0, channel_axis=1
    ).fit(moved)
    np.testing.assert_allclose(
        np.abs(first.transform(moved)), np.abs(last.transform(X)), rtol=1e-2, atol=1e-3
    )
    np.testing.assert_allclose(
        np.moveaxis(first.reconstruct(moved), 1, -1), last.reconstruct(X), atol=1e-2
    )
