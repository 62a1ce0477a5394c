"""The documentation's table of options that exclude each other is that of the code."""

import ast
import csv
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer
from skae.autoencoders._parameters import OPTION_WORDS, check_parameter_combinations
from skae.corruptions import IMAGE_CORRUPTIONS
from skae.features import FEATURES

TABLE = Path(__file__).parent.parent / "docs" / "combinations.csv"
ESTIMATORS = {one.__name__: one for one in (DenseAutoencoder, ConvAutoencoder, ImageRestorer)}
COMPILED = {"compile": True}


def function_loss(x_hat, x):
    """Return the mean absolute error of each sample."""
    return (x_hat - x).abs().flatten(1).mean(1)


WORDLESS = {
    "``penalty`` (any)": [{"penalty": word} for word in OPTION_WORDS["penalty"]],
    "``n_components`` (float)": [{"n_components": 0.5}],
    "``loss`` (function)": [{"loss": function_loss}],
}
"""Settings of the cells that are no Python code."""


def parse(cell):
    """Return the alternatives of a cell of the table: pairs of an estimator's name, or None, and parameters."""
    if cell in WORDLESS:
        return [(None, settings) for settings in WORDLESS[cell]]
    node = ast.parse(f"dict({cell.strip('`')})", mode="eval").body
    if not node.args:
        return [(None, {one.arg: ast.literal_eval(one.value) for one in node.keywords})]
    name, keywords = node.args[0], []
    if isinstance(name, ast.Call):
        name, keywords = name.func, name.keywords
    return [(name.id, {one.arg: ast.literal_eval(one.value) for one in keywords})]


def refused():
    """Yield all combinations of the table: the name of the estimator, or None for both autoencoders, and parameters."""
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            for (_, first), (name, second) in itertools.product(
                parse(row["option"]), parse(row["excludes"])
            ):
                yield name, first | second


def as_objects(settings):
    """Return settings with the default object for each word."""
    words = OPTION_WORDS | {"corruption": IMAGE_CORRUPTIONS, "features": FEATURES}
    objects = dict(settings)
    for option, value in settings.items():
        if isinstance(value, str) and value in words.get(option, ()):
            objects[option] = words[option][value]()
    return objects


REFUSED = list(refused())


@pytest.mark.parametrize(("name", "settings"), REFUSED)
def test_combinations_of_the_table_are_errors(name, settings):
    """`fit` refuses each combination that the table lists, as words and as objects, before it trains."""
    images = np.random.default_rng(0).random((20, 8, 8))
    X = images
    if name != "ImageRestorer":
        X = images.reshape(20, -1)
    estimator = ESTIMATORS[name or "DenseAutoencoder"](**settings)
    words = "|".join(re.escape(one) for one in settings)
    for same in (settings, as_objects(settings)):
        with pytest.raises(ValueError, match=f"{words}|{name}"):
            estimator.set_params(**same).fit(X)
        assert not hasattr(estimator, "net_")


@pytest.mark.parametrize("name", ["DenseAutoencoder", "ConvAutoencoder"])
def test_the_table_lists_all_combinations_that_are_errors(name):
    """Of all pairs of words and special values, the autoencoders refuse those of the table and no other."""
    settings = [{option: word} for option, words in OPTION_WORDS.items() for word in words]
    settings += [{"n_components": 0.5}, {"loss": function_loss}, {"batch_size": 1}]
    settings += [{"allow_nan": True}, {"net_params": COMPILED}, {"init": "random"}]
    if name == "ConvAutoencoder":
        settings += [{"features": word} for word in FEATURES]
    for first, second in itertools.combinations(settings, 2):
        if set(first) == set(second):
            continue
        parameters = {"bottleneck": "deterministic", **first, **second}
        listed = any(
            owner in (None, name) and combination.items() <= parameters.items()
            for owner, combination in REFUSED
            if "net_params" not in combination
        )
        listed |= any(
            combination == {"penalty": parameters.get("penalty"), "net_params": COMPILED}
            and parameters.get("net_params") == COMPILED
            for _, combination in REFUSED
        )
        error = None
        try:
            check_parameter_combinations(ESTIMATORS[name](**parameters))
        except ValueError as raised:
            error = raised
        assert (error is not None) == listed, (parameters, error)
