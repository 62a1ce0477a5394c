"""Options as words and objects: resolving, parameters, equality, searches, and combinations."""

import ast
import csv
import functools
import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer
from skae._options import have_equal_architecture, resolve_option
from skae._training.objective import resolve_objective
from skae.augmentations import Crop
from skae.bottlenecks import BOTTLENECKS, Deterministic, Ordered, Quantized, Variational
from skae.corruptions import (
    CORRUPTIONS,
    IMAGE_CORRUPTIONS,
    FunctionCorruption,
    Gaussian,
    Masking,
    Patches,
    SaltAndPepper,
    resolve_corruption,
)
from skae.features import FEATURES
from skae.losses import LOSSES, AbsoluteError, FunctionLoss, Huber, LogLoss, SquaredError
from skae.penalties import PENALTIES, Contraction, Rate, Sparsity, Spread

from .cases import gray_images, label, low_rank
from .user_options import Channel, LogCosh, Speckle, ViewAgreement, largest_error, shrink

FAST = {"max_iter": 1, "early_stopping": False, "random_state": 0}

TABLES = {
    "loss": LOSSES,
    "penalty": PENALTIES,
    "bottleneck": BOTTLENECKS,
    "corruption": CORRUPTIONS,
}

EXAMPLES = {
    "loss": Huber(0.3),
    "penalty": Sparsity(0.2),
    "bottleneck": Variational(0.3),
    "corruption": Gaussian((0.1, 0.3)),
}

WORDS = [(name, word) for name, table in TABLES.items() for word in table]

OBJECTS = [
    *[
        option()
        for table in (LOSSES, PENALTIES, BOTTLENECKS, IMAGE_CORRUPTIONS)
        for option in table.values()
    ],
    *EXAMPLES.values(),
    Quantized(8, weight=0.5),
    Contraction(exact=True),
    SaltAndPepper(0.1, low=-1.0, high=1.0),
    FunctionLoss(largest_error),
    FunctionCorruption(shrink),
    LogCosh(),
    ViewAgreement(0.2, width=4),
    Channel(noise=0.3),
    Speckle(0.3),
]

COMBINATIONS = Path(__file__).parent.parent / "docs" / "combinations.csv"


def dense(**parameters):
    """Create a dense autoencoder that is fast to fit."""
    return DenseAutoencoder(**{"n_components": 2, **FAST, **parameters})


# ----------------------------------------------------------------------------- words and objects


@pytest.mark.parametrize(("name", "word"), WORDS)
def test_a_word_is_the_object_with_default_parameters(name, word):
    """A word is resolved to the default object of its class; `fit` leaves the word as it was."""
    option = getattr(resolve_objective(dense(**{name: word})), name)
    assert type(option) is TABLES[name][word]
    assert option == TABLES[name][word]()


@pytest.mark.parametrize(("name", "word"), [pair for pair in WORDS if pair[1] != "patches"])
def test_words_and_objects_have_equal_results(name, word, rows):
    """A fit with the default object is that with the word, to the bit."""
    X = rows
    if word == "log_loss":
        X = low_rank(60, 8, low=0, high=1)
    fits = [dense(**{name: option}).fit(X) for option in (word, TABLES[name][word]())]
    np.testing.assert_array_equal(fits[0].transform(X), fits[1].transform(X))
    assert fits[0].loss_curve_ == fits[1].loss_curve_


@pytest.mark.parametrize("name", EXAMPLES)
def test_fit_uses_a_clone(name, rows):
    """The user's object is neither changed nor a part of the fitted state."""
    option = clone(EXAMPLES[name])
    before = dict(vars(option))
    estimator = dense(**{name: option}).fit(rows)
    assert getattr(estimator, name) is option
    assert vars(option) == before
    expected = estimator.transform(rows)
    spec = estimator._spec
    fitted = [spec.loss, spec.bottleneck, spec.network.bottleneck, spec.network.penalty]
    assert all(one is not option for one in fitted)
    for parameter in option.get_params():
        setattr(option, parameter, None)
    assert estimator._spec == spec
    assert pickle.loads(pickle.dumps(estimator))._spec == spec
    np.testing.assert_array_equal(estimator.transform(rows), expected)


def test_an_auto_parameter_stays_auto(rows):
    """The value of "auto" is in the fitted network, and never in the parameter."""
    option = Quantized()
    estimator = dense(n_components=4, bottleneck=option).fit(rows)
    assert option.codebook_size == "auto"
    assert estimator._spec.bottleneck == Quantized()
    assert estimator._spec.network.bottleneck == Quantized(60 // 8)
    assert Masking().resolve(level=0.2, fill_value=0.0) == Masking(0.2, 0.0)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_unknown_words_list_the_known_ones(name, make, rows):
    """The error of an unknown word has the word, and each word that is known."""
    with pytest.raises(ValueError, match="'unknown'") as caught:
        make(2, **{name: "unknown"}).fit(rows)
    assert all(repr(word) in str(caught.value) for word in TABLES[name])
    with pytest.raises(ValueError, match=r"bottleneck='unknown', but expected one of \['determin"):
        resolve_option("unknown", Deterministic.__base__, BOTTLENECKS, "bottleneck")


@pytest.mark.parametrize("name", TABLES)
def test_a_class_is_no_instance(name, rows):
    """A class in place of an object is an error that names the object."""
    class_ = type(EXAMPLES[name])
    with pytest.raises((TypeError, ValueError), match=class_.__name__) as caught:
        dense(**{name: class_}).fit(rows)
    assert name in str(caught.value)
    if name in ("loss", "corruption"):  # classes are callable, and so pass the first check
        assert f"Pass an instance: {name}={class_.__name__}()" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "other"), [(name, other) for name in TABLES for other in TABLES if name != other]
)
def test_options_of_another_kind_are_errors(name, other, rows):
    """A penalty as bottleneck, a loss as penalty, and so on, are errors with the parameter's name."""
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        dense(**{name: EXAMPLES[other]}).fit(rows)
    assert type(EXAMPLES[other]).__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("loss", Huber(0), "'delta' parameter of Huber must be .*Got 0"),
        ("loss", Huber("auto"), "'delta' parameter of Huber"),
        ("penalty", Sparsity(-1), "'weight' parameter of Sparsity must be .*Got -1"),
        ("penalty", Sparsity("strong"), "'weight' parameter of Sparsity.*'strong'"),
        ("penalty", Contraction(exact="maybe"), "'exact' parameter of Contraction.*'maybe'"),
        ("penalty", Rate(0), "'weight' parameter of Rate"),
        ("penalty", ViewAgreement(-1), "'weight' parameter of ViewAgreement"),
        ("bottleneck", Variational(-1), "'weight' parameter of Variational must be .*Got -1"),
        ("bottleneck", Quantized(1), "'codebook_size' parameter of Quantized.*Got 1"),
        ("bottleneck", Quantized(2.5), r"'codebook_size' parameter of Quantized.*Got 2\.5"),
        ("bottleneck", Quantized("large"), "'codebook_size' parameter of Quantized.*'large'"),
        ("corruption", Masking(fill_value="mean"), "'fill_value' parameter of Masking.*'mean'"),
        ("corruption", SaltAndPepper(low="black"), "'low' parameter of SaltAndPepper.*'black'"),
        ("corruption", Speckle(-1), "level=-1 in corruption=Speckle"),
    ],
    ids=label,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_invalid_parameters_of_options_are_errors(name, option, message, method, rows):
    """The error names the parameter, the class and the value; nothing is fitted."""
    estimator = dense(**{name: option})
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(rows)
    assert not hasattr(estimator, "net_")


# --------------------------------------------------------------------------- parameters by name


@pytest.mark.parametrize(
    ("name", "value", "parameter", "expected"),
    [
        ("bottleneck", "variational", "weight", r"bottleneck=Variational\(weight=0\.3\)"),
        ("bottleneck", "quantized", "codebook_size", r"bottleneck=Quantized\(codebook_size=0\.3\)"),
        ("penalty", "contraction", "weight", r"penalty=Contraction\(weight=0\.3\)"),
        ("penalty", None, "weight", r"penalty=None.*penalty=Sparsity\(weight=0\.3\)"),
        ("loss", "huber", "delta", r"loss=Huber\(delta=0\.3\)"),
        ("loss", largest_error, "delta", r"function.*which has no parameters"),
        ("corruption", "masking", "level", r"corruption=Masking\(level=0\.3\)"),
        ("corruption", None, "level", r"corruption=None.*corruption=Gaussian\(level=0\.3\)"),
        ("corruption", shrink, "level", r"function.*which has no parameters"),
    ],
)
def test_parameters_of_a_word_name_the_class(name, value, parameter, expected):
    """`set_params` for a word, None or a function raises an error with the object to pass."""
    estimator = dense(**{name: value})
    with pytest.raises(ValueError, match=expected):
        estimator.set_params(**{f"{name}__{parameter}": 0.3})
    assert getattr(estimator, name) is value
    pipeline = Pipeline([("ae", estimator)])
    with pytest.raises(ValueError, match=expected):
        pipeline.set_params(**{f"ae__{name}__{parameter}": 0.3})


def test_parameters_of_words_of_images_and_views():
    """The same holds for features and augmentations of images, and for the views of a penalty."""
    conv = ConvAutoencoder(augmentation="auto", features="patches", penalty=Spread(views="crop"))
    with pytest.raises(ValueError, match=r"augmentation=Mirror\(probability=0.1\)"):
        conv.set_params(augmentation__probability=0.1)
    with pytest.raises(ValueError, match=r"features=PatchFeatures\(threshold=0.1\)"):
        conv.set_params(features__threshold=0.1)
    with pytest.raises(ValueError, match=r"views=Crop\(min_area=0.1\)"):
        conv.set_params(penalty__views__min_area=0.1)
    conv.set_params(penalty=Spread(views=Crop()), penalty__views__min_area=0.1)
    assert conv.penalty.views == Crop(min_area=0.1)


def test_parameters_of_a_restorers_word_name_the_class():
    """The same holds for the corruptions and losses of a restorer."""
    with pytest.raises(ValueError, match=r"corruption=JPEG\(level=20\)"):
        ImageRestorer("jpeg").set_params(corruption__level=20)
    with pytest.raises(ValueError, match=r"loss=Huber\(delta=0.1\)"):
        ImageRestorer(loss="huber").set_params(loss__delta=0.1)
    assert ImageRestorer(Gaussian()).set_params(corruption__level=0.3).corruption == Gaussian(0.3)


def test_set_params_of_an_option():
    """A parameter of an option is set in the object, or in the object of the same call."""
    estimator = dense(bottleneck=Variational())
    assert estimator.set_params(bottleneck__weight=0.3).bottleneck == Variational(0.3)
    estimator.set_params(bottleneck=Quantized(), bottleneck__codebook_size=5)
    assert estimator.bottleneck == Quantized(5)
    assert estimator.get_params()["bottleneck__codebook_size"] == 5
    with pytest.raises(ValueError, match="Invalid parameter 'size'"):
        estimator.set_params(bottleneck__size=5)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder, ImageRestorer])
def test_clones_have_equal_parameters(make):
    """`get_params` of a clone is equal, also that of options; the objects are others."""
    options = {"loss": Huber(0.3), "corruption": Patches((0.1, 0.3), fill_value=0.5)}
    if make is not ImageRestorer:
        options |= {"penalty": Sparsity(0.2), "bottleneck": Ordered()}
    estimator = make(**options)
    copied = clone(estimator)
    assert copied.get_params() == estimator.get_params()
    for name, option in options.items():
        assert getattr(copied, name) == option
        assert getattr(copied, name) is not option


# --------------------------------------------------------------------------- objects as values


@pytest.mark.parametrize("option", OBJECTS, ids=label)
def test_options_are_values(option):
    """Clones and pickles are equal and have an equal hash, repr and HTML; another value differs."""
    for other in (clone(option), pickle.loads(pickle.dumps(option))):
        assert other is not option
        assert other == option
        assert hash(other) == hash(option)
        assert repr(other) == repr(option)
        assert len({other, option}) == 1
    assert repr(option).startswith(type(option).__name__)
    assert type(option).__name__ in option._repr_html_()
    assert option != type(option).__name__
    for name in option.get_params():
        changed = clone(option)
        setattr(changed, name, np.array([1.0, 2.0]))
        assert changed != option
        assert changed == clone(changed)


def test_options_of_different_classes_differ():
    """Equal parameters of two classes, and a subclass, are not equal."""

    class Mine(Variational):
        """A subclass without a change."""

    assert Variational(1.0) != Quantized(weight=1.0)
    assert Mine() != Variational()
    assert SquaredError() != AbsoluteError()
    assert len(dict.fromkeys(OBJECTS)) == len({repr(option) for option in OBJECTS})


def test_options_show_in_the_estimator(rows):
    """Repr and HTML of an estimator have the changed parameters of its options."""
    estimator = dense(penalty=Sparsity(weight=0.25), loss=Huber(0.5)).fit(rows)
    assert "penalty=Sparsity(weight=0.25)" in repr(estimator)
    html = estimator._repr_html_()
    assert "0.25" in html
    assert "Huber" in html
    assert "sparsity penalty" in html
    assert "channel" in dense(bottleneck=Channel()).fit(rows)._repr_html_()


def test_architecture_leaves_out_the_weight():
    """Options that differ in their weight alone can share a network."""
    assert have_equal_architecture(Variational(0.1), Variational(3))
    assert not have_equal_architecture(Quantized(8), Quantized(9))
    assert not have_equal_architecture(Sparsity(), Contraction())
    assert not have_equal_architecture(None, Sparsity())
    assert not have_equal_architecture(Huber(1.0), Huber(2.0))


# ------------------------------------------------------------------------------------- searches


def test_grid_search_over_words_and_objects(rows):
    """Words, objects, functions and classes of users are values of one grid, in two processes."""
    grid = [
        {
            "bottleneck": ["deterministic", Deterministic(), "variational", Variational(0.01)],
            "loss": ["squared_error", Huber(0.5), LogCosh(), largest_error],
        },
        {"penalty": [None, "sparsity", Sparsity(1.0), ViewAgreement()]},
        {"bottleneck": [Variational(), Channel()], "bottleneck__weight": [0.01, 1.0]},
        {"corruption": [None, "masking", Speckle(), shrink]},
    ]
    searches = [
        GridSearchCV(dense(max_iter=2), grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(rows)
        for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.02)
    by_parameters = list(zip(searches[0].cv_results_["params"], scores[0], strict=True))
    first = [
        score
        for parameters, score in by_parameters
        if parameters.get("bottleneck") in ("deterministic", Deterministic())
        and parameters.get("loss") == "squared_error"
    ]
    assert len(first) == 2
    assert first[0] == first[1]
    check_is_fitted(searches[1].best_estimator_)


def test_a_search_over_a_weight(rows):
    """`bottleneck__weight` is searched, and a small weight explains more; also in a Pipeline."""
    option = Variational()
    grid = {"bottleneck__weight": [0.01, 30.0]}
    estimator = dense(bottleneck=option, max_iter=20)
    search = GridSearchCV(estimator, grid, cv=2, n_jobs=2, error_score="raise").fit(rows)
    assert search.best_params_ == {"bottleneck__weight": 0.01}
    assert search.best_estimator_.bottleneck == Variational(0.01)
    assert option == Variational()

    y = np.arange(60) % 2
    pipeline = Pipeline([("ae", estimator), ("clf", LogisticRegression())])
    grid = {"ae__bottleneck__weight": [0.01, 30.0], "ae__bottleneck": [Variational(), Channel()]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(rows, y)
    best = search.best_estimator_["ae"].bottleneck
    assert best.weight == search.best_params_["ae__bottleneck__weight"]


# ---------------------------------------------------------------------------- continued training


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("bottleneck", Variational(0.1)),
        ("penalty", Sparsity(0.1)),
        ("bottleneck", Channel()),
        ("penalty", ViewAgreement()),
    ],
    ids=label,
)
def test_partial_fit_after_a_new_weight(name, option, rows):
    """A new weight creates a new optimizer and is used; without a change the optimizer stays."""
    estimator = dense(**{name: clone(option)}).partial_fit(rows)
    optimizer = estimator.net_.optimizer_
    assert estimator.partial_fit(rows).net_.optimizer_ is optimizer
    estimator.set_params(**{name: clone(option)})
    assert estimator.partial_fit(rows).net_.optimizer_ is optimizer
    same = pickle.loads(pickle.dumps(estimator)).partial_fit(rows)
    estimator = pickle.loads(pickle.dumps(estimator)).set_params(**{f"{name}__weight": 5.0})
    before = estimator.net_
    estimator.partial_fit(rows)
    assert estimator.net_.optimizer_ is not optimizer
    assert estimator.net_ is not before
    assert not np.array_equal(estimator.transform(rows), same.transform(rows))


def test_warm_start_with_a_word_and_the_equal_object(rows):
    """A fit continues with the object that a word stands for, and the other way round."""
    for first, second in (("variational", Variational()), (Variational(), "variational")):
        fits = []
        for option in (first, second):
            estimator = dense(bottleneck=first, warm_start=True, learning_rate_init=0.01).fit(rows)
            estimator.set_params(bottleneck=option).fit(rows)
            assert estimator.init_ == "warm start"
            fits.append(estimator.transform(rows))
        np.testing.assert_array_equal(*fits)


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ({"bottleneck": Quantized(8)}, {"bottleneck": Quantized(9)}, "bottleneck"),
        ({"bottleneck": Quantized(8)}, {"bottleneck__codebook_size": 9}, "bottleneck"),
        ({"bottleneck": "quantized"}, {"bottleneck": Quantized(7)}, "bottleneck"),
        ({"bottleneck": "variational"}, {"bottleneck": "ordered"}, "bottleneck"),
        ({"bottleneck": "deterministic"}, {"bottleneck": Channel()}, "bottleneck"),
        ({"penalty": "rate"}, {"penalty": None}, "penalty"),
        ({"penalty": ViewAgreement()}, {"penalty__width": 4}, "penalty"),
        ({"loss": "squared_error"}, {"loss": "huber"}, "loss"),
        ({"loss": Huber(1.0)}, {"loss": Huber(2.0)}, "loss"),
    ],
    ids=label,
)
def test_another_architecture_is_refused(first, second, name, rows):
    """A continued fit refuses another architecture by name, and keeps the fitted state."""
    estimator = dense(n_components=4, warm_start=True, **clone_all(first)).fit(rows)
    before = estimator.transform(rows)
    estimator.set_params(**clone_all(second))
    for method in (estimator.fit, estimator.partial_fit):
        with pytest.raises(ValueError, match=f"Got {name}=.*but the network was built with"):
            method(rows)
    np.testing.assert_array_equal(estimator.transform(rows), before)
    estimator.set_params(warm_start=False).fit(rows)


@pytest.mark.parametrize(
    ("option", "name"),
    [(Variational(), "bottleneck"), (Quantized(8), "bottleneck"), (ViewAgreement(), "penalty")],
    ids=label,
)
def test_another_weight_continues(option, name, rows):
    """A continued fit takes another weight, which changes the result."""
    codes = []
    for weight in (0.1, 5.0):
        estimator = dense(n_components=4, warm_start=True, learning_rate_init=0.01)
        estimator.set_params(**{name: clone(option)}).fit(rows)
        estimator.set_params(**{f"{name}__weight": weight}).fit(rows)
        assert estimator.init_ == "warm start"
        codes.append(estimator.transform(rows))
    assert not np.array_equal(*codes)


def clone_all(options):
    """Return copies of objects in a dict of options."""
    return {name: clone(value, safe=False) for name, value in options.items()}


# ------------------------------------------------------------------------------------- functions


def test_a_function_as_loss_sees_samples_of_a_table(rows):
    """Tensors have the shape (b, d); they are centered, and in units of X's overall deviation."""
    seen = []

    def loss(x_hat, x):
        seen.append((x_hat.requires_grad, x.clone()))
        assert x_hat.shape == x.shape
        return (x_hat - x).square().mean(1)

    estimator = dense(loss=loss, batch_size=20).fit(rows)
    assert {tuple(x.shape) for _, x in seen} == {(20, 8)}
    assert all(has_gradient for has_gradient, _ in seen)
    x = torch.cat([x for _, x in seen]).numpy()
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    scale = float(estimator.net_.module_.centre.scale)
    expected = (rows - rows.mean(0)) / scale
    np.testing.assert_allclose(np.sort(x, 0), np.sort(expected, 0), atol=1e-5)
    assert estimator._spec.loss_in_units(1.0) == 1.0


@pytest.mark.parametrize("channel_axis", [1, -1])
@pytest.mark.parametrize("height", [6, 7])
def test_a_function_as_loss_sees_images(channel_axis, height):
    """Images have the shape (b, C, H, W) for any layout of X, also where the network pads them."""
    X = np.stack([gray_images(20, height, 5, seed=c) for c in range(3)], channel_axis)
    seen = []

    def loss(x_hat, x):
        seen.append(x.clone())
        assert x_hat.shape == x.shape
        return (x_hat - x).square().flatten(1).mean(1)

    estimator = ConvAutoencoder(2, n_filters=2, channel_axis=channel_axis, loss=loss, **FAST).fit(X)
    assert {tuple(x.shape[1:]) for x in seen} == {(3, height, 5)}
    scale = float(estimator.net_.module_.centre.scale)
    expected = np.moveaxis((X - X.mean(0)) / scale, channel_axis, 1)
    found = torch.cat(seen).numpy()
    order = [np.argsort(one.reshape(20, -1).sum(1)) for one in (found, expected)]
    np.testing.assert_allclose(found[order[0]], expected[order[1]], atol=1e-4)


def test_a_function_of_the_squared_error_has_its_result(rows):
    """The squared error as a function is trained as the object, in units of scaled samples."""
    function = dense(loss=lambda x_hat, x: (x_hat - x).square().mean(1), max_iter=5).fit(rows)
    word = dense(loss="squared_error", max_iter=5).fit(rows)
    assert function.score(rows) == pytest.approx(word.score(rows), abs=0.02)
    scale = float(function.net_.module_.centre.scale)
    assert function.loss_curve_[0] == pytest.approx(word.loss_curve_[0] / scale**2, rel=1e-3)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x_hat, x: (x_hat - x).square().mean(), r"torch.Size\(\[\]\)"),
        (lambda x_hat, x: (x_hat - x).square(), r"torch.Size\(\[60, 8\]\)"),
        (lambda x_hat, x: (x_hat - x).mean(1, keepdim=True), r"torch.Size\(\[60, 1\]\)"),
        (lambda x_hat, x: 0.0, "None"),
    ],
)
def test_a_function_with_a_wrong_result_is_an_error(function, shape, rows):
    """A loss that is not one number for each sample is an error with both shapes."""
    estimator = dense(loss=function)
    with pytest.raises(
        ValueError, match=f"result of shape {shape}, but expected one loss for each"
    ):
        estimator.fit(rows)
    assert not hasattr(estimator, "net_")


@pytest.mark.parametrize("loss", [largest_error, FunctionLoss(largest_error)])
@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_a_function_as_loss_refuses_missing_values(loss, make, rows):
    """allow_nan=True with a function is an error that names both."""
    with pytest.raises(ValueError, match=r"Got allow_nan=True with loss=.*largest_error"):
        make(2, loss=loss, allow_nan=True).fit(rows)


def test_functions_are_objects_with_the_function():
    """A function is the same as its object; a partial and a callable object are functions."""
    objective = resolve_objective(dense(loss=largest_error, corruption=shrink))
    assert objective.loss == FunctionLoss(largest_error)
    assert objective.corruption == FunctionCorruption(shrink)
    partial = functools.partial(shrink)
    assert resolve_corruption(partial).function is partial


@pytest.mark.parametrize("loss", [Huber(), Huber(0.2), LogCosh()], ids=label)
@pytest.mark.parametrize("corruption", [None, Masking(0.2), Speckle(0.1)], ids=label)
def test_losses_with_missing_values(loss, corruption, rows):
    """Training and imputation are finite with missing values, and beat the mean."""
    X = rows.copy()
    is_missing = np.random.default_rng(0).uniform(size=X.shape) < 0.1
    X[is_missing] = np.nan
    estimator = dense(n_components=3, loss=loss, corruption=corruption, allow_nan=True, max_iter=9)
    X_hat = estimator.fit(X).reconstruct(X)
    assert np.isfinite(X_hat).all()
    assert np.isfinite(estimator.loss_curve_).all()
    means = np.broadcast_to(np.nanmean(X, 0), X.shape)
    error, error_of_means = (np.abs(one - rows)[is_missing].mean() for one in (X_hat, means))
    assert error < error_of_means


@pytest.mark.parametrize("delta", [0.2, 1.0])
def test_the_huber_loss_is_in_squared_units_of_X(delta, rows):
    """Losses of X times 7 are 49 times as large, and those of the initial network are NumPy's."""
    fits = [
        dense(loss=Huber(delta), learning_rate_init=1e-9).fit(X).loss_curve_[0]
        for X in (rows, 7 * rows)
    ]
    assert fits[1] == pytest.approx(49 * fits[0], rel=1e-4)
    estimator = dense(loss=Huber(delta), learning_rate_init=1e-9).fit(rows)
    scale = float(estimator.net_.module_.centre.scale)
    error = np.abs(estimator.reconstruct(rows) - rows) / scale
    expected = np.where(error <= delta, np.square(error), delta * (2 * error - delta)).mean()
    assert fits[0] == pytest.approx(expected * scale**2, rel=1e-4)


@pytest.mark.parametrize("loss", [LogCosh(), Huber(0.5), "absolute_error"], ids=label)
def test_losses_of_padded_images_are_means_over_pixels(loss):
    """The padding of images of odd size takes no part in the loss that users see."""
    X = gray_images(30, 7, 13)
    fast = {**FAST, "learning_rate_init": 1e-9, "n_filters": 2}
    estimator = ConvAutoencoder(3, loss=loss, **fast).fit(X)
    module = estimator.net_.module_
    assert module.n_training_features > 7 * 13
    scale = float(module.centre.scale)
    x, x_hat = (torch.tensor(one / scale) for one in (X, estimator.reconstruct(X)))
    option = resolve_objective(estimator).loss
    expected = float(option(x_hat.double(), x.double()).mean()) * scale**option.scale_power
    assert estimator.loss_curve_[0] == pytest.approx(expected, rel=1e-3)


# ----------------------------------------------------------------------------------- combinations


CLASSES = {
    "DenseAutoencoder": DenseAutoencoder,
    "ConvAutoencoder": ConvAutoencoder,
    "ImageRestorer": ImageRestorer,
}

AUTOENCODERS = ["DenseAutoencoder", "ConvAutoencoder"]


def settings(cell):
    """Return all settings that a cell of the table stands for, as dicts with the estimator's name."""
    text = cell.replace("`", "")
    name, _, kind = text.partition(" (")
    if kind == "any)":
        return [{name: word} for word in TABLES[name]]
    if kind == "float)":
        return [{name: 0.5}]
    if kind == "function)":
        return [{name: largest_error}]
    if "=" not in text:
        return [{"estimator": text}]
    call = ast.parse(text if "(" in text else f"dict({text})", mode="eval").body
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    if call.func.id in CLASSES:
        given["estimator"] = call.func.id
    return [given]


def table():
    """Return the table of the documentation: pairs of settings that exclude each other, as dicts."""
    with COMBINATIONS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["reason"] for row in rows)
    excluded = []
    for row in rows:
        pairs = itertools.product(settings(row["option"]), settings(row["excludes"]))
        excluded += [first | second for first, second in pairs]
    return excluded


def contains(given, part):
    """Return whether settings have all values of a part, also those of inner dicts."""
    for name, value in part.items():
        if name not in given:
            return False
        if isinstance(value, dict):
            if not contains(given[name], value):
                return False
        elif given[name] != value:
            return False
    return True


def all_combinations():
    """Return the combinations of options to test, as dicts with the estimator's name."""
    losses = [*LOSSES, largest_error]
    grids = [
        {"estimator": AUTOENCODERS, "penalty": PENALTIES, "bottleneck": BOTTLENECKS},
        {"estimator": AUTOENCODERS, "loss": losses, "allow_nan": [False, True]},
        {"estimator": AUTOENCODERS, "corruption": CORRUPTIONS, "allow_nan": [False, True]},
        {"estimator": AUTOENCODERS, "penalty": PENALTIES, "batch_size": [1, 2]},
        {"estimator": AUTOENCODERS, "penalty": PENALTIES, "allow_nan": [True]},
        {
            "estimator": ["ConvAutoencoder"],
            "augmentation": ["mirror", "crop"],
            "allow_nan": [False, True],
        },
        {"estimator": ["ConvAutoencoder"], "features": FEATURES, "penalty": PENALTIES},
        {"estimator": ["ConvAutoencoder"], "features": FEATURES, "init": ["auto", "random"]},
        {"estimator": AUTOENCODERS, "n_components": [0.5], "bottleneck": BOTTLENECKS},
        {
            "estimator": ["ImageRestorer"],
            "corruption": IMAGE_CORRUPTIONS,
            "allow_nan": [True, False],
        },
        {"estimator": ["ImageRestorer"], "loss": losses},
        {
            "estimator": ["DenseAutoencoder"],
            "penalty": PENALTIES,
            "net_params": [{"compile": True, "compile__backend": "eager"}],
        },
    ]
    return [
        dict(zip(grid, values, strict=True))
        for grid in grids
        for values in itertools.product(*grid.values())
    ]


def fits(estimator, **parameters):
    """Return whether a fit with these options is possible; other errors than ValueError are raised."""
    X = low_rank(30, 16, low=0, high=1)
    if estimator == "ImageRestorer":
        X = gray_images(6, 8, 9)
        model = ImageRestorer(max_iter=1, n_filters=2, random_state=0)
    else:
        model = CLASSES[estimator](2, **FAST)
    try:
        model.set_params(**parameters).fit(X)
    except ValueError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:.*no corrupted crop had NaN")
@pytest.mark.parametrize(
    "given", all_combinations(), ids=lambda given: "-".join(map(label, given.values()))
)
def test_combinations_are_those_of_the_documentation(given):
    """Each combination of options can be fitted, or raises an error and is in the documented table."""
    is_excluded = any(contains(given, part) for part in table())
    assert fits(**given) != is_excluded


def test_every_row_of_the_table_is_tested():
    """The documented table has no combination beyond those that are tested."""
    for part in table():
        assert any(contains(given, part) for given in all_combinations()), part


def test_logits_of_a_restorer_are_refused():
    """A restorer refuses losses of logits as words and as objects."""
    X = gray_images(4, 6, 5)
    for loss in ("log_loss", LogLoss()):
        with pytest.raises(ValueError, match="loss"):
            ImageRestorer(loss=loss, max_iter=1, n_filters=2).fit(X)
