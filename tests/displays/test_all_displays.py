"""All displays: axes, keyword arguments, errors, and absence of side effects."""

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

from .data import GRAY, QUICK

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.fixture(scope="module")
def ordered_images():
    """Autoencoder of gray images, with ordered latents."""
    return ConvAutoencoder(3, bottleneck="ordered", **QUICK).fit(GRAY)


CALLS = [
    (ReconstructionDisplay, (GRAY,), (3, 6)),
    (LatentDisplay, (GRAY,), None),
    (TraversalDisplay, (GRAY,), (3, 7)),
    (TrainingDisplay, (), (2, 1)),
    (SpectrumDisplay, (), None),
]


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_unfitted_autoencoders_raise(class_, data, shape):
    """Unfitted autoencoders raise a NotFittedError."""
    with pytest.raises(NotFittedError):
        class_.from_estimator(ConvAutoencoder(), *data)


@pytest.mark.parametrize("class_", [LatentDisplay, ReconstructionDisplay, TraversalDisplay])
def test_a_detector_raises(class_):
    """Estimators without `transform` raise an error that names their `autoencoder_`."""
    rows = GRAY.reshape(len(GRAY), -1)
    detector = ReconstructionDetector(PCA(2)).fit(rows)
    with pytest.raises(
        TypeError,
        match=r"Got ReconstructionDetector, but \w+ expected .* transform.* Pass its autoencoder_",
    ):
        class_.from_estimator(detector, rows)


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_given_axes_are_used(ordered_images, class_, data, shape):
    """One Axes is used or divided, an array of Axes is filled, and no other figure is created."""
    figure, (ax, other) = plt.subplots(1, 2)
    display = class_.from_estimator(ordered_images, *data, ax=ax)
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not other.has_data()
    if shape is None:
        assert display.ax_ is ax
        return
    assert not ax.axison
    figure, axes = plt.subplots(*shape)
    display = class_.from_estimator(ordered_images, *data, ax=axes)
    assert list(display.axes_.flat) == list(axes.flat)
    with pytest.raises(
        ValueError, match=r"Got ax with 5 axes, but expected one Axes, or an array of"
    ):
        display.plot(ax=plt.subplots(5)[1])
    with pytest.raises(ValueError, match="outside of a subplot grid"):
        display.plot(ax=plt.figure().add_axes((0, 0, 1, 1)))


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_plot_creates_a_new_figure_without_showing_it(
    ordered_images, class_, data, shape, monkeypatch
):
    """`plot` returns the display with a new figure, and does not call `plt.show`."""
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("shown"))
    display = class_.from_estimator(ordered_images, *data)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


def test_keywords_reach_the_artists(ordered_images):
    """Keyword arguments of the user replace defaults, also as aliases."""
    display = ReconstructionDisplay.from_estimator(
        ordered_images, GRAY, im_kw={"cmap": "magma"}, error_kw={"cmap": "PuOr"}
    )
    assert display.images_[0, 0].get_cmap().name == "magma"
    assert display.images_[2, 0].get_cmap().name == "PuOr"
    assert LatentDisplay.from_estimator(ordered_images, GRAY, scatter_kw={"s": 99}).scatter_[
        0
    ].get_sizes() == [99]
    assert (
        TraversalDisplay.from_estimator(ordered_images, GRAY, im_kw={"cmap": "magma"})
        .images_[0, 0]
        .get_cmap()
        .name
        == "magma"
    )
    assert (
        TrainingDisplay.from_estimator(
            ordered_images, score_kw={"c": "red", "lw": 5}
        ).score_line_.get_color()
        == "red"
    )
    assert (
        SpectrumDisplay.from_estimator(ordered_images, line_kw={"ls": ":"}).line_.get_linestyle()
        == ":"
    )


def test_plotting_does_not_change_random_state_and_data(ordered_images):
    """The global random state of NumPy and X do not change."""
    before, X = np.random.get_state()[1].copy(), GRAY.copy()  # noqa: NPY002
    LatentDisplay.from_estimator(ordered_images, X, thumbnails=True)
    TraversalDisplay.from_estimator(ordered_images, X)
    ReconstructionDisplay.from_estimator(ordered_images, X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(X, GRAY)


@pytest.mark.parametrize(("class_", "data", "shape"), CALLS)
def test_missing_matplotlib_raises_an_error_with_the_extra(class_, data, shape, monkeypatch):
    """A missing matplotlib raises an ImportError with the extra to install, and with its cause."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(
        ImportError, match=rf"{class_.__name__}.from_estimator needs matplotlib.*skae\[plot\]"
    ) as caught:
        class_.from_estimator(ConvAutoencoder(), *data)
    assert isinstance(caught.value.__cause__, ImportError)


STORED = [
    ReconstructionDisplay(originals=np.eye(2), reconstructions=np.eye(2)),
    LatentDisplay(points=np.eye(2)),
    TraversalDisplay(decoded=np.zeros((1, 2, 1, 5)), steps=[-1, 1], components=[0]),
    TrainingDisplay(loss_curve=[1.0]),
    SpectrumDisplay(n_components=[1], explained=[0.5]),
]


@pytest.mark.parametrize("display", STORED, ids=lambda display: type(display).__name__)
def test_plot_without_matplotlib_raises_an_error_with_the_extra(display, monkeypatch):
    """`plot` raises an ImportError with the extra to install before it needs matplotlib."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    name = type(display).__name__
    with pytest.raises(ImportError, match=rf"{name}.plot needs matplotlib.*skae\[plot\]"):
        display.plot()


def test_importing_skae_does_not_import_matplotlib():
    """The package can be imported without matplotlib."""
    code = (
        "import sys; sys.modules['matplotlib'] = None; "
        "import skae.displays; skae.LatentDisplay(points=[[0, 1]])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
