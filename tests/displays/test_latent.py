"""LatentDisplay: colors, projections, thumbnails and errors."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from skae import LatentDisplay

from .data import GRAY, TABLE

pytestmark = pytest.mark.usefixtures("closed_figures")


def test_classes_have_distinct_colors_and_a_legend(table):
    """Each class is one scatter plot, listed in a legend with the name of the labels as title."""
    y = pd.Series(np.repeat(["low", "high", "none"], 20), name="level")
    display = LatentDisplay.from_estimator(table, TABLE, y, components=(0, 2))
    assert display.classes_.tolist() == ["high", "low", "none"]
    Z = table.transform(TABLE)[:, [0, 2]]
    np.testing.assert_allclose(display.scatter_[1].get_offsets(), Z[:20])
    assert len({tuple(scatter.get_facecolor()[0, :3]) for scatter in display.scatter_}) == 3
    legend = display.ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["high", "low", "none"]
    assert legend.get_title().get_text() == "level"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == (
        "Latent dimension 0",
        "Latent dimension 2",
    )


def test_missing_labels_are_a_class(table):
    """None among string labels is plotted as a class."""
    display = LatentDisplay.from_estimator(table, TABLE, np.array(["a", None] * 30, dtype=object))
    assert display.classes_.tolist() == ["None", "a"]


def test_continuous_labels_have_a_color_bar(table):
    """Fractions, and more than 20 distinct integers, are plotted with a color bar."""
    for y in (np.linspace(0, 1, 60), np.arange(60)):
        display = LatentDisplay.from_estimator(table, TABLE, y)
        assert display.classes_ is None
        assert len(display.scatter_) == 1
        np.testing.assert_array_equal(display.scatter_[0].get_array(), y)
        assert display.figure_.axes[-1].get_ylabel() == "Label"


def test_latent_vectors_of_three_dimensions_are_projected_by_pca(table):
    """Two principal components are plotted, and axis labels have explained variance ratios."""
    display = LatentDisplay.from_estimator(table, TABLE)
    Z = table.transform(TABLE).astype(np.float64)
    pca = PCA(2).fit(Z)
    np.testing.assert_allclose(display.points, pca.transform(Z), atol=1e-4)
    assert (
        display.ax_.get_xlabel()
        == f"Principal component 1 of latent vectors ({pca.explained_variance_ratio_[0]:.0%})"
    )


def test_thumbnails_do_not_overlap(gray):
    """Images are plotted at their latent vectors without overlap, and points are invisible."""
    display = LatentDisplay.from_estimator(gray, GRAY, thumbnails=True, thumbnail_size=30)
    positions = np.array(
        [display.ax_.transData.transform(thumbnail.xy) for thumbnail in display.thumbnails_]
    )
    assert 1 < len(positions) < 40
    distances = np.abs(positions[:, None] - positions).max(-1)[~np.eye(len(positions), dtype=bool)]
    assert distances.min() >= 30 * display.figure_.dpi / 72
    assert display.scatter_[0].get_alpha() == 0
    assert len(
        LatentDisplay.from_estimator(gray, GRAY, thumbnails=True, thumbnail_size=10).thumbnails_
    ) > len(positions)


def test_thumbnails_in_a_subfigure(gray):
    """Images are plotted on axes of a subfigure."""
    part = plt.figure().subfigures(1, 2)[0]
    display = LatentDisplay.from_estimator(gray, GRAY, thumbnails=True, ax=part.subplots())
    assert display.figure_ is part
    assert display.thumbnails_


def test_invalid_latent_vectors_raise(table):
    """One latent dimension, inconsistent labels and invalid parameters raise informative errors."""
    with pytest.raises(
        ValueError,
        match=r"latent vectors of shape \(9, 1\), but expected .* at least .* 2 components",
    ):
        LatentDisplay.from_predictions(np.ones((9, 1)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LatentDisplay.from_estimator(table, TABLE, [1, 2])
    with pytest.raises(TypeError, match="Got ax='a', but expected a matplotlib Axes"):
        LatentDisplay.from_estimator(table, TABLE, ax="a")
    for components in ((0, 3), (0,), "ab", 1, (-1, 0), (1, 1), (0.5, 1)):
        with pytest.raises(ValueError, match="but expected two distinct ints from 0 to 2"):
            LatentDisplay.from_estimator(table, TABLE, components=components)
    with pytest.raises(ValueError, match=r"images of shape \(60, 8\), but expected \(n, H, W\)"):
        LatentDisplay.from_estimator(table, TABLE, thumbnails=True)
