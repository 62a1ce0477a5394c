"""TraversalDisplay: varied latent dimensions, kinds of plots and errors."""

import numpy as np
import pytest

from skae import TraversalDisplay

from .data import CHANNELS, GRAY, SIGNALS, TABLE

pytestmark = pytest.mark.usefixtures("closed_figures")


def test_each_row_varies_one_latent_dimension(gray):
    """Images are decoded from the varied latent vectors; the mean is in the middle of each row."""
    display = TraversalDisplay.from_estimator(gray, GRAY, n_steps=5, span=3)
    assert display.axes_.shape == (3, 5)
    Z = gray.transform(GRAY).astype(np.float64)
    changed = Z.mean(0)
    changed[1] += 3 * Z.std(0)[1]
    np.testing.assert_allclose(
        display.decoded[1, 4], gray.inverse_transform(changed[None])[0], atol=1e-5
    )
    np.testing.assert_allclose(
        display.decoded[:, 2], np.repeat(display.decoded[:1, 2], 3, axis=0), atol=1e-6
    )
    minus = "\N{MINUS SIGN}"
    assert [panel.get_title() for panel in display.axes_[0]] == [
        f"{minus}3 SD",
        f"{minus}1.5 SD",
        "0",
        "+1.5 SD",
        "+3 SD",
    ]
    assert [panel.get_ylabel() for panel in display.axes_[:, 0]] == [
        f"Latent\ndimension {component}" for component in range(3)
    ]


def test_a_grid_varies_two_latent_dimensions(gray):
    """One latent dimension increases from left to right, and another from bottom to top."""
    start = gray.transform(GRAY[:1])
    display = TraversalDisplay.from_estimator(
        gray, GRAY, components=[2, 0], grid=True, n_steps=3, span=1, start=start
    )
    assert display.axes_.shape == (3, 3)
    changed, spread = start[0].astype(np.float64), gray.transform(GRAY).std(0)
    np.testing.assert_allclose(display.decoded[1, 1], gray.inverse_transform(start)[0], atol=1e-5)
    changed[2] += spread[2]
    changed[0] += spread[0]
    np.testing.assert_allclose(
        display.decoded[0, 2], gray.inverse_transform(changed[None])[0], atol=1e-5
    )
    assert display.axes_[0, 1].get_title() == (
        "Horizontal: latent dimension 2\nVertical: latent dimension 0"
    )
    assert display.axes_[0, 0].get_ylabel() == "+1 SD"


def test_traversals_of_tables_are_strips_of_changes(table):
    """Each named feature has a strip of colors, in standard deviations of the feature."""
    display = TraversalDisplay.from_estimator(table, TABLE, n_steps=3)
    assert display.axes_.shape == (1, 3)
    strip = np.asarray(display.images_[0, 0].get_array())
    assert strip.shape == (8, 3)
    expected = (display.decoded[0, 2] - display.decoded[0, 1]) / TABLE.std(ddof=0).to_numpy()
    np.testing.assert_allclose(strip[:, 2], expected, atol=1e-5)
    assert [label.get_text() for label in display.axes_[0, 0].get_yticklabels()] == list(
        TABLE.columns
    )
    assert display.figure_.axes[-1].get_ylabel() == "Feature change\n(standard deviations)"
    with pytest.raises(
        ValueError, match="grid=True with rows of a table, but expected images or signals"
    ):
        TraversalDisplay.from_estimator(table, TABLE, grid=True)


def test_traversals_of_signals_are_lines(signal):
    """Signals have one line for each step, or one for each panel of a grid."""
    display = TraversalDisplay.from_estimator(signal, SIGNALS, n_steps=4)
    assert [len(lines) for lines in display.lines_] == [4, 4, 4]
    np.testing.assert_allclose(display.lines_[1][3].get_ydata(), display.decoded[1, 3, 0])
    assert TraversalDisplay.from_estimator(signal, SIGNALS, grid=True, n_steps=3).axes_.shape == (
        3,
        3,
    )


def test_traversals_of_channels_have_panels_with_their_own_units(channels):
    """Each channel has a row of panels, and one color in a grid."""
    display = TraversalDisplay.from_estimator(channels, CHANNELS, n_steps=4)
    assert display.axes_.shape == (2, 3)
    assert [len(lines) for lines in display.lines_] == [4] * 6
    np.testing.assert_allclose(display.lines_[3 + 2][1].get_ydata(), display.decoded[2, 1, 0, :, 1])
    assert [panel.get_ylabel() for panel in display.axes_[:, 0]] == ["Channel 0", "Channel 1"]
    grid = TraversalDisplay.from_estimator(channels, CHANNELS, grid=True, n_steps=3)
    first, second = grid.lines_[4]
    assert first.get_color() != second.get_color()
    values = np.concatenate([[line.get_ydata() for line in lines] for lines in grid.lines_])
    assert values.min() == 0
    assert values.max() == 1


def test_invalid_traversals_raise(gray):
    """Invalid components, steps, spans and starts raise informative errors."""
    for components in ([3], [0, 0], [], "a", [0.5], 1):
        with pytest.raises(ValueError, match="but expected 1 to 25 distinct ints from 0 to 2"):
            TraversalDisplay.from_estimator(gray, GRAY, components=components)
    with pytest.raises(ValueError, match="but expected two distinct ints"):
        TraversalDisplay.from_estimator(gray, GRAY, components=[0], grid=True)
    with pytest.raises(ValueError, match="Got n_steps=1, but expected an int from 2 to 25"):
        TraversalDisplay.from_estimator(gray, GRAY, n_steps=1)
    for span in (0, -1, np.nan, "wide"):
        with pytest.raises(ValueError, match="but expected a finite float > 0"):
            TraversalDisplay.from_estimator(gray, GRAY, span=span)
    with pytest.raises(ValueError, match="X with 1 sample, but expected at least 2"):
        TraversalDisplay.from_estimator(gray, GRAY[:1])
    with pytest.raises(
        ValueError, match="start with 2 values, but expected 3: one for each latent"
    ):
        TraversalDisplay.from_estimator(gray, GRAY, start=[0, 1])
