"""Displays: what is drawn where, from what is given, and what is refused."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    LatentDisplay,
    ReconstructionDisplay,
    SpectrumDisplay,
    TrainingDisplay,
    TraversalDisplay,
)

from .cases import colour_images, grey_images, low_rank

plt.switch_backend("Agg")
pytestmark = pytest.mark.usefixtures("closed_figures")
QUICK = {"max_iter": 2, "random_state": 0}
GREY = grey_images(40, 6, 5)
COLOUR = colour_images(40, 6, 5, dtype=np.uint8)
TABLE = pd.DataFrame(low_rank(60, 8), columns=[f"column {i}" for i in range(8)])
SIGNALS = low_rank(40, 50)


@pytest.fixture(scope="module")
def grey():
    """Autoencoder of grey images."""
    return ConvAutoencoder(3, **QUICK).fit(GREY)


@pytest.fixture(scope="module")
def colour():
    """Autoencoder of colour images of bytes."""
    return ConvAutoencoder(3, **QUICK).fit(COLOUR)


@pytest.fixture(scope="module")
def table():
    """Autoencoder of a table with names."""
    return DenseAutoencoder(3, **QUICK).fit(TABLE)


@pytest.fixture(scope="module")
def signal():
    """Autoencoder of signals."""
    return ConvAutoencoder(3, image_shape=(1, 50), **QUICK).fit(SIGNALS)


@pytest.fixture(scope="module")
def ordered():
    """Autoencoder with ordered codes."""
    return DenseAutoencoder(4, bottleneck="ordered", **QUICK).fit(TABLE)


# ------------------------------------------------------------------------------------------------ reconstructions


def test_images_have_originals_reconstructions_and_differences(grey):
    """Three rows of images hold the numbers that the autoencoder gives, with labels and one colour bar."""
    display = ReconstructionDisplay.from_estimator(grey, GREY, n_samples=4)
    found = grey.reconstruct(GREY[:4])
    assert display.axes_.shape == display.images_.shape == (3, 4)
    assert len(display.figure_.axes) == 13
    np.testing.assert_allclose(display.images_[0, 2].get_array(), GREY[2])
    np.testing.assert_allclose(display.images_[1, 2].get_array(), np.clip(found[2], 0, 1), atol=1e-6)
    np.testing.assert_allclose(display.images_[2, 2].get_array(), found[2] - GREY[2], atol=1e-6)
    low, high = display.images_[2, 0].get_clim()
    assert low == -high == -np.abs(found - GREY[:4]).max()
    labels = [row[0].get_ylabel() for row in display.axes_]
    assert labels == ["original", "reconstruction", "reconstruction\nminus original"]
    assert display.figure_.axes[-1].get_ylabel() == "difference"


@pytest.mark.parametrize("n_samples", [1, 2, 6])
def test_rows_of_images_stand_below_each_other(grey, n_samples):
    """However few images there are, their columns are straight, and the names of the rows are within the figure."""
    display = ReconstructionDisplay.from_estimator(grey, GREY, n_samples=n_samples)
    display.figure_.draw_without_rendering()
    left = [[panel.get_window_extent().x0 for panel in row] for row in display.axes_]
    np.testing.assert_allclose(left, np.tile(left[0], (3, 1)), atol=1)
    assert all(row[0].yaxis.label.get_window_extent().x0 >= 0 for row in display.axes_)


def test_bytes_in_colour_are_divided_by_255(colour):
    """Colour images of uint8 are drawn on their whole scale, and their reconstructions are clipped to it."""
    display = ReconstructionDisplay.from_estimator(colour, COLOUR, n_samples=2)
    np.testing.assert_allclose(display.images_[0, 1].get_array(), COLOUR[1] / 255)
    again = np.asarray(display.images_[1, 1].get_array())
    assert again.shape == (6, 5, 3)
    assert 0 <= again.min() <= again.max() <= 1
    assert display.images_[2, 1].get_array().shape == (6, 5)


def test_channels_first_and_flat_rows_give_the_same_picture(colour):
    """Where channels stand in X, and whether it is flat, is not seen in the picture."""
    wanted = np.asarray(ReconstructionDisplay.from_estimator(colour, COLOUR).images_[0, 0].get_array())
    flat = ReconstructionDisplay.from_estimator(colour, COLOUR.reshape(40, -1))
    np.testing.assert_array_equal(flat.images_[0, 0].get_array(), wanted)
    first = np.moveaxis(COLOUR, -1, 1).copy()
    display = ReconstructionDisplay.from_estimator(ConvAutoencoder(3, channel_axis=1, **QUICK).fit(first), first)
    np.testing.assert_array_equal(display.images_[0, 0].get_array(), wanted)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_channels_that_are_no_colours_are_averaged(channels):
    """One channel is grey, and so is the mean of two or five."""
    X = colour_images(3, 6, 5, channels)
    display = ReconstructionDisplay.from_predictions(X, X)
    np.testing.assert_allclose(display.images_[0, 0].get_array(), X[0].mean(-1))


def test_numbers_outside_of_0_to_1_are_drawn_between_their_extremes():
    """The smallest number is black and the largest white, and a constant image is no error."""
    X = GREY[:2] * 30 - 7
    drawn = [image.get_array() for image in ReconstructionDisplay.from_predictions(X, X).images_[0]]
    assert min(one.min() for one in drawn) == 0
    assert max(one.max() for one in drawn) == 1
    constant = ReconstructionDisplay.from_predictions(np.full((1, 4, 4), 5.0), np.full((1, 4, 4), 5.0))
    assert constant.images_[2, 0].get_clim() == (-1, 1)


def test_rows_of_tables_have_two_dots_for_each_named_feature(table):
    """One of the axes for each row holds originals and reconstructions, on one scale, with the names of the columns."""
    display = ReconstructionDisplay.from_estimator(table, TABLE, n_samples=3)
    assert display.axes_.shape == (1, 3)
    before, after = display.lines_[1]
    np.testing.assert_allclose(before.get_xdata(), TABLE.iloc[1])
    np.testing.assert_allclose(after.get_xdata(), table.reconstruct(TABLE)[1])
    assert [label.get_text() for label in display.axes_[0, 0].get_yticklabels()] == list(TABLE.columns)
    assert len({panel.get_xlim() for panel in display.axes_[0]}) == 1
    assert [text.get_text() for text in display.figure_.legends[0].get_texts()] == ["original", "reconstruction"]


def test_signals_are_lines(signal):
    """Signals have both lines above, and their difference below."""
    display = ReconstructionDisplay.from_estimator(signal, SIGNALS, n_samples=2)
    assert display.axes_.shape == (2, 2)
    original, found, missed = (line.get_ydata() for line in display.lines_[1])
    np.testing.assert_allclose(original, SIGNALS[1])
    np.testing.assert_allclose(missed, found - original, atol=1e-6)
    assert display.axes_[1, 0].get_xlabel() == "position"
    wide = ReconstructionDisplay.from_predictions(SIGNALS[:2], SIGNALS[:2])
    assert wide.axes_[1, 0].get_xlabel() == "feature"


def test_pca_and_pipelines_can_be_drawn():
    """Anything with transform and inverse_transform will do, with the shape of an image given."""
    flat = GREY.reshape(40, 30)
    for estimator in (PCA(3), make_pipeline(StandardScaler(), DenseAutoencoder(3, **QUICK))):
        display = ReconstructionDisplay.from_estimator(estimator.fit(flat), flat, n_samples=2, image_shape=(6, 5))
        assert display.axes_.shape == (3, 2)


@pytest.mark.parametrize("kind", [torch.from_numpy, np.ndarray.tolist, FrozenEstimator])
def test_tensors_lists_and_frozen_autoencoders_are_taken(grey, kind):
    """The picture is the same, whatever X and the autoencoder are wrapped in."""
    estimator, X = (kind(grey), GREY) if kind is FrozenEstimator else (grey, kind(GREY))
    wanted = ReconstructionDisplay.from_estimator(grey, GREY).images_[1, 0].get_array()
    np.testing.assert_array_equal(ReconstructionDisplay.from_estimator(estimator, X).images_[1, 0].get_array(), wanted)


def test_reconstructions_that_do_not_fit_are_refused(grey):
    """Other shapes, too many samples and wrong names are errors that say what is expected."""
    with pytest.raises(ValueError, match=r"reconstructions of shape \(2, 6, 4\), but expected \(2, 6, 5\)"):
        ReconstructionDisplay.from_predictions(GREY[:2], GREY[:2, :, :4])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ReconstructionDisplay.from_predictions(GREY[:2], GREY[:3])
    with pytest.raises(ValueError, match="Got 60 samples, but expected 1 to 40: choose some"):
        ReconstructionDisplay.from_predictions(TABLE, TABLE)
    with pytest.raises(ValueError, match=r"Got n_samples=41, but expected an int from 1 to 40\."):
        ReconstructionDisplay.from_estimator(grey, GREY, n_samples=41)
    with pytest.raises(ValueError, match=r"Got n_samples=2.5, but expected an int"):
        ReconstructionDisplay.from_estimator(grey, GREY, n_samples=2.5)
    with pytest.raises(TypeError, match="Got ax='a', but ReconstructionDisplay expected an Axes of matplotlib, or an array"):
        ReconstructionDisplay.from_estimator(grey, GREY, ax="a")
    with pytest.raises(ValueError, match="Got 2 feature_names, but expected 8"):
        ReconstructionDisplay.from_predictions(TABLE[:2], TABLE[:2], feature_names=["a", "b"])
    with pytest.raises(ValueError, match=r"but expected images of shape \(6, 6\), or rows of them"):
        ReconstructionDisplay.from_predictions(GREY[:2], GREY[:2], image_shape=(6, 6))
    with pytest.raises(ValueError, match="but expected real numbers"):
        ReconstructionDisplay.from_predictions(np.array([["a"]]), np.array([["b"]]))


# ---------------------------------------------------------------------------------------------------------- codes


def test_classes_have_colours_of_their_own_and_a_legend(table):
    """Each class is one set of points, and stands in the legend under the name of the labels."""
    y = pd.Series(np.repeat(["low", "high", "none"], 20), name="level")
    display = LatentDisplay.from_estimator(table, TABLE, y, components=(0, 2))
    assert display.classes_.tolist() == ["high", "low", "none"]
    codes = table.transform(TABLE)[:, [0, 2]]
    np.testing.assert_allclose(display.scatter_[1].get_offsets(), codes[:20])
    assert len({tuple(one.get_facecolor()[0, :3]) for one in display.scatter_}) == 3
    legend = display.ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["high", "low", "none"]
    assert legend.get_title().get_text() == "level"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("code 0", "code 2")


def test_labels_that_are_not_known_are_a_class(table):
    """None among names is drawn as a class of its own."""
    display = LatentDisplay.from_estimator(table, TABLE, np.array(["a", None] * 30, dtype=object))
    assert display.classes_.tolist() == ["None", "a"]


def test_labels_on_a_scale_have_a_colour_bar(table):
    """Fractions, and many different whole numbers, are a scale."""
    for y in (np.linspace(0, 1, 60), np.arange(60)):
        display = LatentDisplay.from_estimator(table, TABLE, y)
        assert display.classes_ is None
        assert len(display.scatter_) == 1
        np.testing.assert_array_equal(display.scatter_[0].get_array(), y)
        assert display.figure_.axes[-1].get_ylabel() == "label"


def test_long_codes_are_drawn_in_their_principal_components(table):
    """Codes of three numbers are turned, and the axes say how much of their variance is seen."""
    display = LatentDisplay.from_estimator(table, TABLE)
    codes = table.transform(TABLE).astype(np.float64)
    pca = PCA(2).fit(codes)
    np.testing.assert_allclose(display.points, pca.transform(codes), atol=1e-4)
    assert display.ax_.get_xlabel() == f"principal component 1 of codes ({pca.explained_variance_ratio_[0]:.0%})"


def test_thumbnails_do_not_cover_each_other(grey):
    """Small images stand where their codes are, some apart, and points are hidden."""
    display = LatentDisplay.from_estimator(grey, GREY, thumbnails=True, thumbnail_size=30)
    places = np.array([display.ax_.transData.transform(one.xy) for one in display.thumbnails_])
    assert 1 < len(places) < 40
    away = np.abs(places[:, None] - places).max(-1)[~np.eye(len(places), dtype=bool)]
    assert away.min() >= 30 * display.figure_.dpi / 72
    assert display.scatter_[0].get_alpha() == 0
    assert len(LatentDisplay.from_estimator(grey, GREY, thumbnails=True, thumbnail_size=10).thumbnails_) > len(places)


def test_thumbnails_in_a_part_of_a_figure(grey):
    """Axes in a part of a figure take small images, too."""
    part = plt.figure().subfigures(1, 2)[0]
    display = LatentDisplay.from_estimator(grey, GREY, thumbnails=True, ax=part.subplots())
    assert display.figure_ is part
    assert display.thumbnails_


def test_codes_that_do_not_fit_are_refused(table):
    """One number, other labels than rows, and numbers that a code doesn't have, are errors."""
    with pytest.raises(ValueError, match=r"codes of shape \(9, 1\), but expected rows of at least 2"):
        LatentDisplay.from_predictions(np.ones((9, 1)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LatentDisplay.from_estimator(table, TABLE, [1, 2])
    with pytest.raises(TypeError, match="Got ax='a', but LatentDisplay expected an Axes of matplotlib"):
        LatentDisplay.from_estimator(table, TABLE, ax="a")
    for components in ((0, 3), (0,), "ab", 1, (-1, 0)):
        with pytest.raises(ValueError, match="but expected two numbers from 0 to 2"):
            LatentDisplay.from_estimator(table, TABLE, components=components)
    with pytest.raises(ValueError, match=r"images of shape \(60, 8\), but expected \(n, H, W\)"):
        LatentDisplay.from_estimator(table, TABLE, thumbnails=True)


# ----------------------------------------------------------------------------------------------------- traversals


def test_each_row_changes_one_number_of_the_code(grey):
    """The images are those that the changed codes decode to; the middle of each row is the mean code."""
    display = TraversalDisplay.from_estimator(grey, GREY, n_steps=5, span=3)
    assert display.axes_.shape == (3, 5)
    codes = grey.transform(GREY).astype(np.float64)
    changed = codes.mean(0)
    changed[1] += 3 * codes.std(0)[1]
    np.testing.assert_allclose(display.decoded[1, 4], grey.inverse_transform(changed[None])[0], atol=1e-5)
    np.testing.assert_allclose(display.decoded[:, 2], np.repeat(display.decoded[:1, 2], 3, axis=0), atol=1e-6)
    minus = "\N{MINUS SIGN}"
    assert [panel.get_title() for panel in display.axes_[0]] == [f"{minus}3 sd", f"{minus}1.5 sd", "0", "+1.5 sd", "+3 sd"]
    assert [panel.get_ylabel() for panel in display.axes_[:, 0]] == ["code 0", "code 1", "code 2"]


def test_a_grid_changes_two_numbers(grey):
    """From left to right one number grows, from bottom to top another, about the code given."""
    start = grey.transform(GREY[:1])
    display = TraversalDisplay.from_estimator(grey, GREY, components=[2, 0], grid=True, n_steps=3, span=1, start=start)
    assert display.axes_.shape == (3, 3)
    changed, spread = start[0].astype(np.float64), grey.transform(GREY).std(0)
    np.testing.assert_allclose(display.decoded[1, 1], grey.inverse_transform(start)[0], atol=1e-5)
    changed[2] += spread[2]
    changed[0] += spread[0]
    np.testing.assert_allclose(display.decoded[0, 2], grey.inverse_transform(changed[None])[0], atol=1e-5)
    assert display.axes_[0, 1].get_title() == "across: code 2, up: code 0"
    assert display.axes_[0, 0].get_ylabel() == "+1 sd"


def test_traversals_of_tables_are_strips_of_changes(table):
    """Each feature has a strip, in its own standard deviations, with its name."""
    display = TraversalDisplay.from_estimator(table, TABLE, n_steps=3)
    assert display.axes_.shape == (1, 3)
    strip = np.asarray(display.images_[0, 0].get_array())
    assert strip.shape == (8, 3)
    wanted = (display.decoded[0, 2] - display.decoded[0, 1]) / TABLE.std(ddof=0).to_numpy()
    np.testing.assert_allclose(strip[:, 2], wanted, atol=1e-5)
    assert [label.get_text() for label in display.axes_[0, 0].get_yticklabels()] == list(TABLE.columns)
    assert "change of the feature" in display.figure_.axes[-1].get_ylabel()
    with pytest.raises(ValueError, match="grid=True with rows of a table, but expected images or signals"):
        TraversalDisplay.from_estimator(table, TABLE, grid=True)


def test_traversals_of_signals_are_lines(signal):
    """A line for each step, or one for each place of a grid."""
    display = TraversalDisplay.from_estimator(signal, SIGNALS, n_steps=4)
    assert [len(lines) for lines in display.lines_] == [4, 4, 4]
    np.testing.assert_allclose(display.lines_[1][3].get_ydata(), display.decoded[1, 3, 0])
    assert TraversalDisplay.from_estimator(signal, SIGNALS, grid=True, n_steps=3).axes_.shape == (3, 3)


def test_traversals_that_do_not_fit_are_refused(grey):
    """Numbers that a code doesn't have, and steps, spans and starts that are none, are errors."""
    for components in ([3], [0, 0], [], "a", [0.5], 1):
        with pytest.raises(ValueError, match="but expected different whole numbers from 0 to 2"):
            TraversalDisplay.from_estimator(grey, GREY, components=components)
    with pytest.raises(ValueError, match="with grid=True, but expected two"):
        TraversalDisplay.from_estimator(grey, GREY, components=[0], grid=True)
    with pytest.raises(ValueError, match="Got n_steps=1, but expected an int from 2 to 25"):
        TraversalDisplay.from_estimator(grey, GREY, n_steps=1)
    for span in (0, -1, np.nan, "wide"):
        with pytest.raises(ValueError, match="but expected a number above 0"):
            TraversalDisplay.from_estimator(grey, GREY, span=span)
    with pytest.raises(ValueError, match="X of one row, but expected at least 2"):
        TraversalDisplay.from_estimator(grey, GREY[:1])
    with pytest.raises(ValueError, match="start of 2 numbers, but expected one code of 3"):
        TraversalDisplay.from_estimator(grey, GREY, start=[0, 1])


# ------------------------------------------------------------------------------------------- trainings and spectra


def test_a_training_shows_losses_scores_start_and_best_epoch(table):
    """The lines hold what fit left, and the epoch that was taken is marked in both of the axes."""
    display = TrainingDisplay.from_estimator(table)
    assert display.axes_.shape == (2,)
    np.testing.assert_array_equal(display.loss_line_.get_ydata(), table.loss_curve_)
    np.testing.assert_array_equal(display.loss_line_.get_xdata(), [1, 2])
    np.testing.assert_array_equal(display.score_line_.get_ydata(), table.validation_scores_)
    assert set(display.start_line_.get_ydata()) == {table.validation_scores_[0]}
    assert display.start_line_.get_label() == "PCA"
    np.testing.assert_array_equal(display.score_line_.get_xdata(), table.validation_iters_)
    assert [set(line.get_xdata()) for line in display.best_lines_] == [{table.best_iter_}] * 2
    assert display.best_point_.get_xydata().tolist() == [[table.best_iter_, table.best_validation_score_]]
    assert display.axes_[1].get_xlabel() == "epoch"


def test_a_training_without_rows_held_out_has_one_panel():
    """Where nothing was held out only the losses are drawn; a random start is not called PCA."""
    X = low_rank(60, 8)
    display = TrainingDisplay.from_estimator(DenseAutoencoder(3, early_stopping=False, **QUICK).fit(X))
    assert display.axes_.shape == (1,)
    assert display.score_line_ is None
    random = TrainingDisplay.from_estimator(DenseAutoencoder(3, init="random", **QUICK).fit(X))
    assert random.start_line_.get_label() == "start"
    with pytest.raises(TypeError, match="Got PCA, but expected an autoencoder"):
        TrainingDisplay.from_estimator(PCA(2).fit(X))


def test_an_ordered_autoencoder_gives_all_lengths(ordered):
    """Scores of each length are those of the shortened codes; PCA's are those of PCA with as many components."""
    X, train = low_rank(30, 8, seed=1), TABLE.to_numpy()
    display = SpectrumDisplay.from_estimator(ordered, pd.DataFrame(X, columns=TABLE.columns), X_train=TABLE)
    assert display.n_components.tolist() == [1, 2, 3, 4]
    spread = np.square(X - X.mean(0)).sum()
    codes = ordered.transform(pd.DataFrame(X, columns=TABLE.columns))
    again = ordered.inverse_transform(codes[:, :2])
    np.testing.assert_allclose(display.explained[1], 1 - np.square(X - again).sum() / spread, rtol=1e-5)
    np.testing.assert_allclose(display.explained[-1], ordered.score(pd.DataFrame(X, columns=TABLE.columns)), rtol=1e-5)
    pca = PCA(3).fit(train)
    missed = np.square(X - pca.inverse_transform(pca.transform(X))).sum()
    np.testing.assert_allclose(display.pca_explained[2], 1 - missed / spread)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.explained)
    np.testing.assert_array_equal(display.pca_line_.get_ydata(), display.pca_explained)


def test_an_ordered_autoencoder_alone_shows_what_fit_found(ordered):
    """Without X the shares are summed up that fit left, and PCA is not drawn."""
    display = SpectrumDisplay.from_estimator(ordered)
    np.testing.assert_allclose(display.line_.get_ydata(), np.cumsum(ordered.explained_variance_ratio_))
    assert display.pca_line_ is None
    assert "held out in fit" in display.ax_.get_ylabel()


def test_several_autoencoders_are_sorted_by_length():
    """Autoencoders of several lengths are one line of their scores."""
    X = low_rank(60, 8)
    several = [DenseAutoencoder(k, **QUICK).fit(X) for k in (3, 1)]
    display = SpectrumDisplay.from_estimator(several, X, name="ours")
    assert display.n_components.tolist() == [1, 3]
    np.testing.assert_allclose(display.explained, [several[1].score(X), several[0].score(X)])
    assert display.line_.get_label() == "ours"


def test_spectra_that_do_not_fit_are_refused(table, ordered):
    """One autoencoder that isn't ordered, none at all, and no rows to score by, are errors."""
    with pytest.raises(ValueError, match="whose codes are not ordered"):
        SpectrumDisplay.from_estimator(table, TABLE)
    with pytest.raises(ValueError, match="empty list, but expected fitted autoencoders"):
        SpectrumDisplay.from_estimator([], TABLE)
    with pytest.raises(TypeError, match="Got PCA, but expected an autoencoder"):
        SpectrumDisplay.from_estimator([table, PCA(2).fit(TABLE)], TABLE)
    with pytest.raises(ValueError, match="X=None, but expected rows to score by"):
        SpectrumDisplay.from_estimator([table])
    with pytest.raises(ValueError, match="X=None, but expected rows to score by"):
        SpectrumDisplay.from_estimator(ordered, X_train=TABLE)
    with pytest.raises(ValueError, match=r"explained of shape \(1,\), but expected \(2,\)"):
        SpectrumDisplay(n_components=[1, 2], explained=[0.5]).plot()
