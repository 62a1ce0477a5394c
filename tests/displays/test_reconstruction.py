"""ReconstructionDisplay: plotted values, accepted layouts and errors."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import ConvAutoencoder, DenseAutoencoder, ReconstructionDisplay

from ..cases import color_images
from .data import CHANNELS, COLOR, GRAY, QUICK, SIGNALS, TABLE

pytestmark = pytest.mark.usefixtures("closed_figures")


def test_images_have_originals_reconstructions_and_differences(gray):
    """Images are plotted in three labeled rows with the values of `reconstruct`."""
    display = ReconstructionDisplay.from_estimator(gray, GRAY, n_samples=4)
    reconstruction = gray.reconstruct(GRAY[:4])
    assert display.axes_.shape == display.images_.shape == (3, 4)
    assert len(display.figure_.axes) == 13
    np.testing.assert_allclose(display.images_[0, 2].get_array(), GRAY[2])
    np.testing.assert_allclose(
        display.images_[1, 2].get_array(), np.clip(reconstruction[2], 0, 1), atol=1e-6
    )
    np.testing.assert_allclose(
        display.images_[2, 2].get_array(), reconstruction[2] - GRAY[2], atol=1e-6
    )
    low, high = display.images_[2, 0].get_clim()
    assert low == -high == -np.abs(reconstruction - GRAY[:4]).max()
    labels = [row[0].get_ylabel() for row in display.axes_]
    assert labels == ["Original", "Reconstruction", "Difference"]
    assert display.figure_.axes[-1].get_ylabel() == "Reconstruction\nminus original"


@pytest.mark.parametrize("n_samples", [1, 2, 6])
def test_columns_of_images_are_aligned(gray, n_samples):
    """Columns of images are aligned, and row labels are inside the figure, for any n_samples."""
    display = ReconstructionDisplay.from_estimator(gray, GRAY, n_samples=n_samples)
    display.figure_.draw_without_rendering()
    left = [[panel.get_window_extent().x0 for panel in row] for row in display.axes_]
    np.testing.assert_allclose(left, np.tile(left[0], (3, 1)), atol=1)
    assert all(row[0].yaxis.label.get_window_extent().x0 >= 0 for row in display.axes_)


def test_uint8_images_are_divided_by_255(color):
    """Color images of dtype uint8 are scaled by 255, and reconstructions are clipped."""
    display = ReconstructionDisplay.from_estimator(color, COLOR, n_samples=2)
    np.testing.assert_allclose(display.images_[0, 1].get_array(), COLOR[1] / 255)
    image = np.asarray(display.images_[1, 1].get_array())
    assert image.shape == (6, 5, 3)
    assert 0 <= image.min() <= image.max() <= 1
    assert display.images_[2, 1].get_array().shape == (6, 5)


def test_plot_does_not_depend_on_the_layout_of_images(color):
    """Channels first, channels last and flat rows result in the same plot."""
    expected = np.asarray(
        ReconstructionDisplay.from_estimator(color, COLOR).images_[0, 0].get_array()
    )
    flat = ReconstructionDisplay.from_estimator(color, COLOR.reshape(40, -1))
    np.testing.assert_array_equal(flat.images_[0, 0].get_array(), expected)
    first = np.moveaxis(COLOR, -1, 1).copy()
    display = ReconstructionDisplay.from_estimator(
        ConvAutoencoder(3, channel_axis=1, **QUICK).fit(first), first
    )
    np.testing.assert_array_equal(display.images_[0, 0].get_array(), expected)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_channels_other_than_3_or_4_are_averaged(channels):
    """Images with one, two or five channels are plotted in gray, as the mean of the channels."""
    X = color_images(3, 6, 5, channels)
    display = ReconstructionDisplay.from_predictions(X, X)
    np.testing.assert_allclose(display.images_[0, 0].get_array(), X[0].mean(-1))


def test_values_outside_of_0_to_1_are_scaled_to_their_range():
    """The smallest value is black and the largest white, and constant images are accepted."""
    X = GRAY[:2] * 30 - 7
    plotted = [
        image.get_array() for image in ReconstructionDisplay.from_predictions(X, X).images_[0]
    ]
    assert min(image.min() for image in plotted) == 0
    assert max(image.max() for image in plotted) == 1
    constant = ReconstructionDisplay.from_predictions(
        np.full((1, 4, 4), 5.0), np.full((1, 4, 4), 5.0)
    )
    assert constant.images_[2, 0].get_clim() == (-1, 1)


def test_table_rows_have_two_dots_for_each_named_feature(table):
    """Each row has one panel with original and reconstruction, a common scale and column names."""
    display = ReconstructionDisplay.from_estimator(table, TABLE, n_samples=3)
    assert display.axes_.shape == (1, 3)
    before, after = display.lines_[1]
    np.testing.assert_allclose(before.get_xdata(), TABLE.iloc[1])
    np.testing.assert_allclose(after.get_xdata(), table.reconstruct(TABLE)[1])
    assert [label.get_text() for label in display.axes_[0, 0].get_yticklabels()] == list(
        TABLE.columns
    )
    assert len({panel.get_xlim() for panel in display.axes_[0]}) == 1
    assert [text.get_text() for text in display.figure_.legends[0].get_texts()] == [
        "Original",
        "Reconstruction",
    ]


def test_signals_are_plotted_as_lines(signal):
    """Signals have both lines in the upper panel, and the difference in the lower one."""
    display = ReconstructionDisplay.from_estimator(signal, SIGNALS, n_samples=2)
    assert display.axes_.shape == (2, 2)
    original, reconstruction, error = (line.get_ydata() for line in display.lines_[1])
    np.testing.assert_allclose(original, SIGNALS[1])
    np.testing.assert_allclose(error, reconstruction - original, atol=1e-6)
    assert display.axes_[1, 0].get_xlabel() == "Position"
    wide = ReconstructionDisplay.from_predictions(SIGNALS[:2], SIGNALS[:2])
    assert wide.axes_[1, 0].get_xlabel() == "Feature"


def test_channels_of_signals_have_panels_with_their_own_units(channels):
    """Each channel has a row of panels with originals, reconstructions and limits of its own."""
    display = ReconstructionDisplay.from_estimator(channels, CHANNELS, n_samples=3)
    assert display.axes_.shape == (2, 3)
    assert [panel.get_ylabel() for panel in display.axes_[:, 0]] == ["Channel 0", "Channel 1"]
    lines = [line.get_ydata() for line in display.lines_[2]]
    X_hat = channels.reconstruct(CHANNELS[:3])
    for channel in range(2):
        np.testing.assert_allclose(lines[2 * channel], CHANNELS[2, :, channel])
        np.testing.assert_allclose(lines[2 * channel + 1], X_hat[2, :, channel])
        low, high = display.axes_[channel, 0].get_ylim()
        assert low < CHANNELS[:3, :, channel].min()
        assert high - low < 2 * np.ptp(CHANNELS[:3, :, channel])
    assert len(display.figure_.legends[0].get_texts()) == 2
    named = ReconstructionDisplay.from_predictions(
        CHANNELS[:1], X_hat[:1], image_shape=(1, 30, 2), feature_names=["current", "vibration"]
    )
    assert [panel.get_ylabel() for panel in named.axes_[:, 0]] == ["current", "vibration"]


def test_missing_values_of_signals_interrupt_the_line():
    """NaN in signals is not plotted, and limits are those of the other values."""
    X = CHANNELS[:2].copy()
    X[1, 20:] = np.nan
    display = ReconstructionDisplay.from_predictions(X, CHANNELS[:2], image_shape=(1, 30, 2))
    assert np.isnan(display.lines_[1][0].get_ydata()[20:]).all()
    assert np.isfinite(display.axes_[0, 0].get_ylim()).all()


def test_pca_and_pipelines_are_accepted():
    """Estimators with `transform` and `inverse_transform` are plotted with a given image shape."""
    flat = GRAY.reshape(40, 30)
    for estimator in (PCA(3), make_pipeline(StandardScaler(), DenseAutoencoder(3, **QUICK))):
        display = ReconstructionDisplay.from_estimator(
            estimator.fit(flat), flat, n_samples=2, image_shape=(6, 5)
        )
        assert display.axes_.shape == (3, 2)


@pytest.mark.parametrize("kind", [torch.from_numpy, np.ndarray.tolist, FrozenEstimator])
def test_tensors_lists_and_frozen_autoencoders_are_accepted(gray, kind):
    """Tensors, lists and frozen autoencoders result in the same plot as arrays."""
    estimator, X = (kind(gray), GRAY) if kind is FrozenEstimator else (gray, kind(GRAY))
    expected = ReconstructionDisplay.from_estimator(gray, GRAY).images_[1, 0].get_array()
    np.testing.assert_array_equal(
        ReconstructionDisplay.from_estimator(estimator, X).images_[1, 0].get_array(), expected
    )


def test_invalid_reconstructions_raise(gray):
    """Inconsistent shapes, too many samples and invalid parameters raise informative errors."""
    with pytest.raises(
        ValueError, match=r"reconstructions of shape \(2, 6, 4\), but expected \(2, 6, 5\)"
    ):
        ReconstructionDisplay.from_predictions(GRAY[:2], GRAY[:2, :, :4])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ReconstructionDisplay.from_predictions(GRAY[:2], GRAY[:3])
    with pytest.raises(
        ValueError, match=r"Got 60 samples, but expected 1 to 40\. Pass a subset of X\."
    ):
        ReconstructionDisplay.from_predictions(TABLE, TABLE)
    with pytest.raises(ValueError, match=r"Got n_samples=41, but expected an int from 1 to 40\."):
        ReconstructionDisplay.from_estimator(gray, GRAY, n_samples=41)
    with pytest.raises(ValueError, match=r"Got n_samples=2.5, but expected an int"):
        ReconstructionDisplay.from_estimator(gray, GRAY, n_samples=2.5)
    with pytest.raises(
        TypeError,
        match="Got ax='a', but expected a matplotlib Axes, or an array",
    ):
        ReconstructionDisplay.from_estimator(gray, GRAY, ax="a")
    with pytest.raises(ValueError, match="Got 2 feature_names, but expected 8"):
        ReconstructionDisplay.from_predictions(TABLE[:2], TABLE[:2], feature_names=["a", "b"])
    with pytest.raises(ValueError, match=r"but expected images of shape \(6, 6\), or rows"):
        ReconstructionDisplay.from_predictions(GRAY[:2], GRAY[:2], image_shape=(6, 6))
    with pytest.raises(ValueError, match="but expected real numbers"):
        ReconstructionDisplay.from_predictions(np.array([["a"]]), np.array([["b"]]))
