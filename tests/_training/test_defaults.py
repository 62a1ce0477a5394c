"""Tests of ``skae._training.defaults``: "auto" as a function of the sizes of data and network."""

import pytest

from skae._training.defaults import default_n_coordinates, make_plan
from skae._training.validation_split import validation_size

AUTO = {
    "batch_size": "auto",
    "max_iter": "auto",
    "learning_rate_init": "auto",
    "early_stopping": True,
    "cross_validation": True,
    "convolutional": False,
}


@pytest.mark.parametrize(("width", "factor"), [(64, 1), (256, 1), (512, 1 / 2), (1024, 1 / 4)])
def test_wide_networks_have_a_lower_learning_rate(width, factor):
    """Beyond 256 units the automatic learning rate is inversely proportional to the width."""
    assert make_plan(1600, 30, width, **AUTO).learning_rate == pytest.approx(0.01 * factor)


LARGE = 10**6


@pytest.mark.parametrize(
    ("n_samples", "fraction", "expected"),
    [
        (50, "auto", 5),
        (20_000, "auto", 2000),
        (LARGE, "auto", 3000),
        (LARGE, 0.2, LARGE // 5),
    ],
)
def test_an_automatic_validation_set_has_at_most_3000_samples(n_samples, fraction, expected):
    """By default the validation set is a tenth of the samples, and at most 3,000."""
    assert validation_size(n_samples, fraction, n_samples - 1) == expected


@pytest.mark.parametrize(
    ("n_components", "convolutional", "expected"),
    [(10, False, 384), (10, True, 256), (300, False, 600), (300, True, 600)],
)
def test_coordinates_are_at_least_twice_the_components(n_components, convolutional, expected):
    """The number of principal coordinates is at least twice the number of latent dimensions."""
    assert default_n_coordinates(n_components, convolutional=convolutional) == expected
