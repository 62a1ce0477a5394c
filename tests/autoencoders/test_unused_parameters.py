"""Parameters that a fit does not use: each is a warning with the user's number."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer, ReconstructionDetector
from skae.corruptions import Masking

from ..cases import gray_images, low_rank

ROWS = low_rank(60, 6)
IMAGES = gray_images(30, 8, 6)


def warnings_of(function):
    """Return the texts of warnings, without those of too few epochs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(w.message) for w in caught if w.category is not ConvergenceWarning]


AUTOENCODERS = {
    "validation_fraction=0.3 with X_val": ({"validation_fraction": 0.3}, {"X_val": ROWS[:9]}),
    "validation_fraction=0.3 with early_stopping=False": (
        {"validation_fraction": 0.3, "early_stopping": False},
        {},
    ),
    "validation_fraction=0.001 with 60 samples": ({"validation_fraction": 0.001}, {}),
    "validation_fraction=0.999, which is 60 samples": ({"validation_fraction": 0.999}, {}),
    "early_stopping=False with X_val": ({"early_stopping": False}, {"X_val": ROWS[:9]}),
    "batch_size=61 with 60 samples": ({"batch_size": 61}, {}),
    "activation='relu' with hidden_layer_sizes=()": (
        {"hidden_layer_sizes": (), "activation": "relu"},
        {},
    ),
}


@pytest.mark.parametrize("text", AUTOENCODERS)
def test_unused_parameters_of_autoencoders(text):
    """The warning has the value of the parameter, and there is no other one."""
    parameters, arguments = AUTOENCODERS[text]
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0, **parameters)
    (found,) = warnings_of(lambda: autoencoder.fit(ROWS, **arguments))
    assert found.startswith(f"Got {text}")


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ({"validation_fraction": 0.3}, {}),
        ({"early_stopping": False}, {}),
        ({}, {"X_val": ROWS[:9]}),
        ({"batch_size": 60}, {}),
        ({"activation": "relu"}, {}),
        ({"hidden_layer_sizes": ()}, {}),
    ],
)
def test_used_parameters_do_not_warn(parameters, arguments):
    """A parameter with an effect is no reason for a warning."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0, **parameters)
    assert not warnings_of(lambda: autoencoder.fit(ROWS, **arguments))


@pytest.mark.parametrize("fraction", [0.25, 0.5])
def test_a_validation_fraction_is_one_validation_set(fraction):
    """An explicit fraction replaces cross-validation of few samples."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(ROWS)
    assert (autoencoder.n_folds_, autoencoder.n_held_out_) == (5, 60)
    autoencoder.set_params(validation_fraction=fraction).fit(ROWS)
    assert (autoencoder.n_folds_, autoencoder.n_held_out_) == (1, 60 * fraction)


def test_a_channel_axis_without_channels():
    """channel_axis=1 warns where X has no channels."""
    autoencoder = ConvAutoencoder(2, channel_axis=1, max_iter=1, random_state=0)
    (found,) = warnings_of(lambda: autoencoder.fit(IMAGES))
    assert found.startswith("Got channel_axis=1 with X of shape (30, 8, 6)")
    assert not warnings_of(lambda: autoencoder.fit(IMAGES[:, None]))


RESTORERS = {
    "corruption='blur' with y": ({"corruption": "blur"}, True),
    "fill_value=0.5, but no pixel is masked": ({"fill_value": 0.5}, False),
    "fill_value=0.25, but no pixel is masked": ({"fill_value": 0.25}, True),
    "patch_size=9 with images of 8 x 6 pixels": ({"patch_size": 9}, False),
    "batch_size=31, but an epoch has 30 crops": ({"batch_size": 31}, False),
}


@pytest.mark.parametrize("text", RESTORERS)
def test_unused_parameters_of_restorers(text):
    """The warning has the value of the parameter, and there is no other one."""
    parameters, has_pairs = RESTORERS[text]
    restorer = ImageRestorer(**{"n_filters": 2, "max_iter": 1, "random_state": 0, **parameters})
    (found,) = warnings_of(lambda: restorer.fit(IMAGES, IMAGES if has_pairs else None))
    assert found.startswith(f"Got {text}")


@pytest.mark.parametrize(
    "parameters",
    [{"corruption": Masking(0.1), "fill_value": 0.5}, {"corruption": "blur"}, {"patch_size": 8}],
)
def test_used_parameters_of_restorers_do_not_warn(parameters):
    """A parameter with an effect is no reason for a warning."""
    restorer = ImageRestorer(n_filters=2, max_iter=1, random_state=0).set_params(**parameters)
    assert not warnings_of(lambda: restorer.fit(IMAGES))


def test_restored_bytes():
    """With output_dtype="input", restored images have the dtype of the clean images."""
    images = (255 * IMAGES).astype(np.uint8)
    restorer = ImageRestorer(n_filters=2, max_iter=1, random_state=0).fit(images)
    exact = restorer.predict(images.astype(float))
    assert exact.dtype == np.float32
    restored = restorer.set_params(output_dtype="input").predict(images.astype(float))
    assert restored.dtype == np.uint8
    np.testing.assert_array_equal(restored, np.rint(exact).clip(0, 255))


DETECTORS = {
    "n_neighbors=60 with 60 samples": {"n_neighbors": 60},
    "smoothing=1.0 with a table": {"smoothing": 1.0},
}


@pytest.mark.parametrize("text", DETECTORS)
def test_unused_parameters_of_detectors(text):
    """The warning has the value of the parameter, and there is no other one."""
    detector = ReconstructionDetector(
        DenseAutoencoder(2, max_iter=1), cross_fit=False, random_state=0, **DETECTORS[text]
    )
    (found,) = warnings_of(lambda: detector.fit(ROWS))
    assert found.startswith(f"Got {text}")


def test_a_frozen_autoencoder_is_not_cross_fitted():
    """cross_fit=True has no effect on a FrozenEstimator, and warns."""
    frozen = FrozenEstimator(DenseAutoencoder(2, max_iter=1, random_state=0).fit(ROWS))
    detector = ReconstructionDetector(frozen, cross_fit=True, random_state=0)
    (found,) = warnings_of(lambda: detector.fit(ROWS))
    assert found.startswith("Got cross_fit=True with a FrozenEstimator")
    assert not warnings_of(lambda: detector.set_params(cross_fit="auto").fit(ROWS))
