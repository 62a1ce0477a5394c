"""What all displays have in common: axes, keywords, errors, and that nothing else is changed."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skae import (
    ConvAutoencoder,
    LatentDisplay,
    ReconstructionDetector,
    ReconstructionDisplay,
    SpectrumDisplay,
    TrainingDisplay,
    TraversalDisplay,
)

from .cases import grey_images

plt.switch_backend("Agg")
pytestmark = pytest.mark.usefixtures("closed_figures")

QUICK = {"max_iter": 2, "random_state": 0}
GREY = grey_images(40, 6, 5)


@pytest.fixture(scope="module")
def ordered():
    """Autoencoder of grey images, with ordered codes."""
    return ConvAutoencoder(3, bottleneck="ordered", **QUICK).fit(GREY)


CALLS = [
    (ReconstructionDisplay, (GREY,), (3, 6)),
    (LatentDisplay, (GREY,), None),
    (TraversalDisplay, (GREY,), (3, 7)),
    (TrainingDisplay, (), (2, 1)),
    (SpectrumDisplay, (), None),
]


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_unfitted_autoencoders_are_refused(class_, data, shape):
    """An autoencoder has to be fitted first."""
    with pytest.raises(NotFittedError):
        class_.from_estimator(ConvAutoencoder(), *data)


@pytest.mark.parametrize("class_", [LatentDisplay, ReconstructionDisplay, TraversalDisplay])
def test_a_detector_is_told_from_an_autoencoder(class_):
    """What has no codes is refused by name, with a hint at the autoencoder inside of it."""
    rows = GREY.reshape(len(GREY), -1)
    detector = ReconstructionDetector(PCA(2)).fit(rows)
    with pytest.raises(TypeError, match=r"Got ReconstructionDetector, but expected .* transform.*: its autoencoder_ does\."):
        class_.from_estimator(detector, rows)


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_axes_that_are_there_are_used(ordered, class_, data, shape):
    """One of the axes is drawn on or divided, an array of them is filled, and no other figure appears."""
    figure, (ax, other) = plt.subplots(1, 2)
    display = class_.from_estimator(ordered, *data, ax=ax)
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not other.has_data()
    if shape is None:
        assert display.ax_ is ax
        return
    assert not ax.axison
    figure, axes = plt.subplots(*shape)
    display = class_.from_estimator(ordered, *data, ax=axes)
    assert list(display.axes_.flat) == list(axes.flat)
    with pytest.raises(ValueError, match=r"Got ax with 5 axes, but \w+ expected one, or"):
        display.plot(ax=plt.subplots(5)[1])
    with pytest.raises(ValueError, match="that is not part of a grid"):
        display.plot(ax=plt.figure().add_axes((0, 0, 1, 1)))


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_plot_draws_again_and_shows_nothing(ordered, class_, data, shape, monkeypatch):
    """Plot gives the display itself, on a new figure, and never shows one."""
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("shown"))
    display = class_.from_estimator(ordered, *data)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


def test_keywords_reach_the_artists(ordered):
    """Keywords for artists win over ours, also under their short names."""
    display = ReconstructionDisplay.from_estimator(ordered, GREY, im_kw={"cmap": "magma"}, error_kw={"cmap": "PuOr"})
    assert display.images_[0, 0].get_cmap().name == "magma"
    assert display.images_[2, 0].get_cmap().name == "PuOr"
    assert LatentDisplay.from_estimator(ordered, GREY, scatter_kw={"s": 99}).scatter_[0].get_sizes() == [99]
    assert TraversalDisplay.from_estimator(ordered, GREY, im_kw={"cmap": "magma"}).images_[0, 0].get_cmap().name == "magma"
    assert TrainingDisplay.from_estimator(ordered, score_kw={"c": "red", "lw": 5}).score_line_.get_color() == "red"
    assert SpectrumDisplay.from_estimator(ordered, line_kw={"ls": ":"}).line_.get_linestyle() == ":"


def test_drawing_leaves_random_states_and_data_alone(ordered):
    """Neither NumPy's global generator nor X is changed."""
    before, X = np.random.get_state()[1].copy(), GREY.copy()  # noqa: NPY002
    LatentDisplay.from_estimator(ordered, X, thumbnails=True)
    TraversalDisplay.from_estimator(ordered, X)
    ReconstructionDisplay.from_estimator(ordered, X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(X, GREY)


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_without_matplotlib_the_extra_is_named(class_, data, shape, monkeypatch):
    """A missing matplotlib is an ImportError that says what to install, and keeps its cause."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=rf"{class_.__name__}.from_estimator needs matplotlib.*skae\[plot\]") as caught:
        class_.from_estimator(ConvAutoencoder(), *data)
    assert isinstance(caught.value.__cause__, ImportError)


def test_importing_skae_does_not_import_matplotlib():
    """The package can be imported where matplotlib is not there."""
    code = "import sys; sys.modules['matplotlib'] = None; import skae.displays; skae.LatentDisplay(points=[[0, 1]])"
    subprocess.run([sys.executable, "-c", code], check=True)
