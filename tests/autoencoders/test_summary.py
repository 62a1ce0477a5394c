"""Text summary of fitted autoencoders."""

import pytest
from sklearn.exceptions import NotFittedError

from skae import DenseAutoencoder
from skae.autoencoders._html import layers, summary


def test_summary_has_all_layers_and_the_values_of_auto(case, fitted):
    """Every layer has a line with its output shape and its number of weights."""
    text = fitted.summary()
    lines = text.splitlines()
    assert lines[0] == type(fitted).__name__
    for name, description, is_auto in summary(fitted):
        assert any(line.startswith(name) and description in line for line in lines)
        if is_auto:
            assert f"{description} (auto)" in text
    table = lines[lines.index("") :]
    n_weights = 0
    for name, kind, shape, n in layers(fitted):
        (line,) = [line for line in table if line.split("  ")[0] == name]
        assert f"{kind} " in line
        assert f" {shape} " in line
        assert line.endswith(f" {n:,}")
        n_weights += n
    module = fitted.net_.module_
    expected = sum(weight.numel() for weight in module.parameters())
    assert n_weights == expected + module.components.numel()
    assert not any(line.endswith(" ") for line in lines)


def test_summary_requires_a_fit():
    """An autoencoder that is not fitted has no layers."""
    with pytest.raises(NotFittedError):
        DenseAutoencoder().summary()
