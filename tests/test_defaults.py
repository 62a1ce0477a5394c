"""What "auto" stands for, as a function of the size of the data and of the network."""

import pytest

from skae._defaults import auto_coordinates, auto_held_out, make_plan

AUTO = {
    "batch_size": "auto",
    "max_iter": "auto",
    "learning_rate_init": "auto",
    "early_stopping": True,
    "crossed": True,
    "convolutional": False,
}


@pytest.mark.parametrize(("width", "share"), [(64, 1), (256, 1), (512, 1 / 2), (1024, 1 / 4)])
def test_wide_networks_have_a_lower_learning_rate(width, share):
    """Beyond 256 units the automatic learning rate is inversely proportional to the width."""
    assert make_plan(1600, 30, width, **AUTO).learning_rate == pytest.approx(0.01 * share)


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
def test_an_automatic_validation_set_has_at_most_3000_rows(n_samples, fraction, expected):
    """By default a tenth of the rows, but at most 3,000, are the validation set."""
    assert auto_held_out(n_samples, fraction) == expected


@pytest.mark.parametrize(
    ("n_components", "convolutional", "expected"),
    [(10, False, 384), (10, True, 256), (300, False, 600), (300, True, 600)],
)
def test_long_codes_have_twice_as_many_principal_components(n_components, convolutional, expected):
    """A network sees at least twice as many principal components as its code has numbers."""
    assert auto_coordinates(n_components, convolutional=convolutional) == expected
