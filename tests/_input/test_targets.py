"""Targets: encoding of y, its loss, and supervised latents."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import entropy
from sklearn.datasets import load_diabetes, load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)
from skae._input.targets import Targets

nan = np.nan


@pytest.mark.parametrize(
    ("y", "classes", "encoded"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        ([3, 1, 2, 1], [1, 2, 3], [2, 0, 1, 0]),
        ([-1, 1, 1, -1], [-1, 1], [0, 1, 1, 0]),
        ([True, False], [False, True], [1, 0]),
        ([0.0, nan, 1.0], [0.0, 1.0], [0, nan, 1]),
        (["b", None, "a"], ["a", "b"], [1, nan, 0]),
        (["b", nan, "a"], ["a", "b"], [1, nan, 0]),
        ([True, None, False], [False, True], [1, nan, 0]),
        ([7, None, 5], [5, 7], [1, nan, 0]),
        (["only"] * 3, ["only"], [0, 0, 0]),
    ],
)
def test_classes_of_any_kind(y, classes, encoded):
    """Strings, integers and booleans are classes, -1 is a class, and None and NaN are missing."""
    y = np.array(y, dtype=object if None in y or isinstance(y[0], str) else None)
    targets = Targets(y)
    assert targets.classes[0].tolist() == classes
    assert targets.widths == [len(classes)]
    assert targets.share == pytest.approx(1 - np.isnan(encoded).mean())
    np.testing.assert_array_equal(targets.encode(y)[:, 0], np.array(encoded, np.float32))


@pytest.mark.parametrize("dtype", ["Int64", "string", "category", "boolean", object])
def test_series_of_pandas(dtype):
    """Missing values of pandas' dtypes are missing targets."""
    values = {"Int64": [1, None, 0], "boolean": [True, None, False]}.get(dtype, ["b", None, "a"])
    y = pd.Series(values, dtype=dtype)
    targets = Targets(y)
    assert len(targets.classes[0]) == 2
    np.testing.assert_array_equal(targets.encode(y)[:, 0], [1, nan, 0])


def test_continuous_targets_are_standardized():
    """Known continuous targets have mean 0 and deviation 1; constants become 0."""
    y = np.array([[1.5, 2.5], [2.5, 2.5], [nan, 2.5], [6.5, nan]])
    targets = Targets(y)
    assert targets.classes == [None, None]
    known = y[[0, 1, 3], 0]
    np.testing.assert_allclose(
        targets.encode(y)[[0, 1, 3], 0], (known - known.mean()) / known.std(), rtol=1e-6
    )
    np.testing.assert_array_equal(targets.encode(y)[:, 1], [0, 0, 0, nan])
    np.testing.assert_allclose(
        targets.encode(y + 1)[[0, 1, 3], 0], (known + 1 - known.mean()) / known.std(), rtol=1e-6
    )


def test_columns_of_different_kinds():
    """Every column of y is a classification or a regression target of its own."""
    y = np.array([["a", 1.5], ["b", 2.25], ["a", None], [None, 0.0]], dtype=object)
    targets = Targets(y)
    assert targets.classes[0].tolist() == ["a", "b"]
    assert targets.classes[1] is None
    assert targets.widths == [2, 1]
    assert targets.share == pytest.approx(6 / 8)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([None, None], "only missing values of y"),
        ([nan, nan], "only missing values of y"),
        ([[1, nan], [2, nan]], "only missing values in column 1 of y"),
        ([1.5, np.inf], "infinity in y"),
        (np.array([1.5, -np.inf, None], dtype=object), "infinity in y"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.zeros((2, 0)), r"shape \(2, 0\)"),
    ],
)
def test_unusable_targets(y, message):
    """Targets without known or finite values, or of invalid shape, are errors."""
    with pytest.raises(ValueError, match=message):
        Targets(np.array(y, dtype=object) if None in np.ravel(y).tolist() else np.array(y))


def test_later_targets_must_agree_with_the_first():
    """Unknown classes, and another number of columns, are errors."""
    targets = Targets(np.array(["a", "b"]))
    with pytest.raises(
        ValueError, match=r"the class .*'c'.* in y, but expected one of \['a', 'b'\]"
    ):
        targets.encode(np.array(["a", "c"]))
    with pytest.raises(ValueError, match="y with 2 columns, but expected 1"):
        targets.encode(np.array([["a", "b"], ["b", "a"]]))


def test_classification_loss_is_a_relative_entropy(rng):
    """The loss of classes is SciPy's entropy of smoothed classes, relative to equal probabilities."""
    y = rng.choice(list("abc"), 40)
    targets, logits = Targets(y), torch.tensor(rng.normal(size=(40, 3)), dtype=torch.float32)
    smoothed = 0.9 * (y[:, None] == np.array(list("abc"))) + 0.1 / 3
    expected = entropy(smoothed.T, logits.double().softmax(1).numpy().T) / entropy(
        smoothed.T, np.full((3, 40), 1 / 3)
    )
    np.testing.assert_allclose(targets.loss(logits, targets.encode(y)), expected, rtol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3, 26])
def test_overconfident_predictions_have_a_loss(n_classes):
    """The loss is 1 for equal probabilities, 0 for smoothed classes, and positive for certainty."""
    y = np.arange(n_classes)
    targets = Targets(y)
    certain = torch.eye(n_classes)
    losses = [
        float(targets.loss(logits, targets.encode(y)).mean())
        for logits in (0 * certain, (0.9 * certain + 0.1 / n_classes).log(), 30 * certain)
    ]
    assert losses[:2] == pytest.approx([1, 0], abs=1e-5)
    assert losses[2] > 0.1


def test_regression_loss_is_a_squared_error(rng):
    """The loss of continuous targets is the squared error, with mean 1 for the mean."""
    y = rng.normal(5, 3, 40)
    targets, predictions = Targets(y), torch.tensor(rng.normal(size=(40, 1)), dtype=torch.float32)
    expected = np.square(predictions[:, 0].numpy() - (y - y.mean()) / y.std())
    np.testing.assert_allclose(
        targets.loss(predictions, targets.encode(y)), expected, rtol=1e-4, atol=1e-6
    )
    assert float(targets.loss(torch.zeros(40, 1), targets.encode(y)).mean()) == pytest.approx(
        1, rel=1e-5
    )


def test_missing_targets_have_no_loss(rng):
    """The mean loss over all rows is that over known targets; missing ones have no gradient."""
    y = rng.normal(size=(60, 2))
    y[:40, 0], y[30:, 1] = nan, nan
    targets = Targets(y)
    predictions = torch.tensor(rng.normal(size=(60, 2)), dtype=torch.float32, requires_grad=True)
    losses = targets.loss(predictions, targets.encode(y))
    standard = (y - np.nanmean(y, 0)) / np.nanstd(y, 0)
    expected = np.nansum(np.square(predictions.detach().numpy() - standard)) / np.isfinite(y).sum()
    assert float(losses.mean().detach()) == pytest.approx(expected, rel=1e-5)
    losses.sum().backward()
    assert (predictions.grad.numpy()[np.isnan(y)] == 0).all()
    assert torch.isfinite(predictions.grad).all()


# ------------------------------------------------------------------------------------------------------- estimators


def dense(n_components=3, **parameters):
    """Return an autoencoder that is fitted fast."""
    return DenseAutoencoder(
        n_components,
        **{
            "max_iter": 3,
            "random_state": 0,
            "target_weight": 1.0,
            "early_stopping": False,
            **parameters,
        },
    )


Y = np.arange(60) % 3


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
def test_targets_are_required(method, rows):
    """A missing y is an error in scikit-learn's words, and the tags require y."""
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        getattr(dense(), method)(rows)
    assert get_tags(dense()).target_tags.required
    assert not get_tags(dense(target_weight=0.0)).target_tags.required
    dense(target_weight=0.0).fit(rows)


def test_y_is_ignored_without_a_weight(rows):
    """With target_weight=0, y of any kind changes nothing."""
    plain = dense(target_weight=0.0).fit(rows).transform(rows)
    np.testing.assert_array_equal(
        dense(target_weight=0.0).fit(rows, ["anything", None]).transform(rows), plain
    )
    assert not np.array_equal(dense().fit(rows, Y).transform(rows), plain)


@pytest.mark.parametrize("y", [Y[:-1], np.r_[Y, 0]])
def test_y_of_another_length(y, rows):
    """Another number of targets than rows is an error."""
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        dense().fit(rows, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_of_zero_weight_define_no_targets(method, rows):
    """Rows of zero weight define no classes and do not change means."""
    weights = np.where(Y == 2, 0.0, 1.5)
    for y in (Y, Y + np.linspace(0, 1, 60), np.array(list("abc"))[Y].tolist()):
        all_rows = getattr(dense(), method)(rows, y, weights)
        kept = getattr(dense(), method)(
            rows[weights > 0], np.asarray(y)[weights > 0], weights[weights > 0]
        )
        np.testing.assert_array_equal(all_rows.transform(rows), kept.transform(rows))


def test_class_names_do_not_matter(rows):
    """Strings, numbers and objects in the same order give the same latent vectors."""
    expected = dense().fit(rows, Y).transform(rows)
    for names in (["a", "b", "c"], [-5, 0, 9]):
        np.testing.assert_array_equal(
            dense().fit(rows, np.array(names)[Y]).transform(rows), expected
        )


def test_supervised_latents_classify_better():
    """Four latent dimensions classify new digits better with a fifth of the labels, and with all."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
    some = np.where(np.random.default_rng(0).uniform(size=len(y)) < 0.2, y, nan)
    scores = []
    for weight, labels in [(0.0, None), (1.0, some), (3.0, y)]:
        autoencoder = DenseAutoencoder(4, target_weight=weight, random_state=0).fit(X, labels)
        classifier = make_pipeline(
            FrozenEstimator(autoencoder), StandardScaler(), LogisticRegression(max_iter=1000)
        )
        scores.append(classifier.fit(X, y).score(X_test, y_test))
    assert scores[1] > scores[0] + 0.01
    assert scores[2] > scores[0] + 0.04


def test_a_pipeline_passes_y_to_the_autoencoder(rows):
    """In a Pipeline, the latent vectors are those of a fit with y."""
    pipe = make_pipeline(StandardScaler(), dense(), LogisticRegression()).fit(rows, Y)
    scaled = pipe[0].transform(rows)
    np.testing.assert_array_equal(
        pipe[:-1].transform(rows), dense().fit(scaled, Y).transform(scaled)
    )


def test_continuous_targets():
    """One latent dimension correlates more with a continuous target if fitted with it."""
    X, y = load_diabetes(return_X_y=True)
    y = y + 0.5 * (np.arange(len(y)) % 2)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    correlations = []
    for weight in (0.0, 1.0):
        estimator = DenseAutoencoder(1, target_weight=weight, random_state=0).fit(X, y)
        correlations.append(abs(np.corrcoef(estimator.transform(X_test)[:, 0], y_test)[0, 1]))
    assert correlations[1] > correlations[0] + 0.05


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_several_outputs(make, digits):
    """Both autoencoders accept columns of several kinds with missing values."""
    X, y = digits
    both = np.array([[f"digit {label}", label / 7] for label in y], dtype=object)
    both[::5, 0] = None
    estimator = make(4, target_weight=1.0, max_iter=2, random_state=0).fit(X, both)
    assert estimator.transform(X).shape == (400, 4)
    assert estimator.net_.module_.head[-1].out_features == 11


@pytest.mark.parametrize(("n_components", "layers"), [(3, 2), (5, 2), (6, 1)])
def test_many_latent_dimensions_have_a_linear_head(n_components, layers, rows):
    """The head is linear with two latent dimensions per class, and has a hidden layer with fewer."""
    head = dense(n_components, max_iter=1).fit(rows, Y).net_.module_.head
    assert sum(isinstance(layer, torch.nn.Linear) for layer in head) == layers
    assert head[-1].out_features == 3


def test_targets_halve_the_patch_size(digits):
    """With targets, the encoder uses patches of half the size, also after pickling."""
    X, y = digits
    plain, seen = (
        ConvAutoencoder(4, target_weight=weight, max_iter=2, random_state=0).fit(X, y)
        for weight in (0.0, 1.0)
    )
    first = [estimator.net_.module_.encoder_convolutions[0] for estimator in (plain, seen)]
    assert [layer.in_channels for layer in first] == [
        4,
        1,
    ]  # of 8 x 8 pixels: patches of 2 x 2, and single pixels
    assert [layer.out_channels for layer in first] == [16, 32]
    again = pickle.loads(pickle.dumps(seen))
    np.testing.assert_array_equal(again.transform(X), seen.transform(X))


def test_single_pixels_are_not_divided(digits):
    """Patches of single pixels are the same with and without targets."""
    X, y = digits
    images = X.reshape(-1, 8, 8)[:, 1:7, 1:7]
    plain, seen = (
        ConvAutoencoder(4, target_weight=w, max_iter=1, random_state=0).fit(images, y)
        for w in (0.0, 1.0)
    )
    shapes = [
        [weight.shape for weight in one.net_.module_.encoder_convolutions.parameters()]
        for one in (plain, seen)
    ]
    assert shapes[0] == shapes[1]


def test_partial_fit_keeps_the_classes(rows):
    """Later calls may lack classes or have only missing values, but not have new classes."""
    estimator = dense().partial_fit(rows, Y)
    estimator.partial_fit(rows[Y < 2], Y[Y < 2])
    before = estimator.transform(rows)
    with pytest.raises(ValueError, match="the class 7 in y, but expected one of"):
        estimator.partial_fit(rows, np.where(Y == 2, 7, Y))
    np.testing.assert_array_equal(estimator.transform(rows), before)
    estimator.partial_fit(rows, np.full(60, nan))
    assert np.isfinite(estimator.transform(rows)).all()


def test_resuming_cannot_add_a_prediction_head(rows):
    """Resuming a fit without targets cannot add targets, but a fit with targets can omit them."""
    estimator = dense(warm_start=True, target_weight=0.0).fit(rows)
    with pytest.raises(ValueError, match="was first fitted with target_weight=0"):
        estimator.set_params(target_weight=1.0).fit(rows, Y)
    estimator = dense(warm_start=True).fit(rows, Y)
    assert np.isfinite(estimator.set_params(target_weight=0.0).fit(rows).transform(rows)).all()


def test_validation_data_needs_no_targets(rows):
    """X_val needs no targets: validation scores are finite."""
    estimator = dense(early_stopping=True).fit(rows[:40], Y[:40], X_val=rows[40:])
    assert len(estimator.validation_scores_) > 1
    assert np.isfinite(estimator.validation_scores_).all()


@pytest.mark.parametrize("wrap", [LatentCodec, LatentSampler, ReconstructionDetector])
def test_meta_estimators_without_y_need_a_fitted_autoencoder(wrap, rows):
    """Meta-estimators without y recommend FrozenEstimator, and use a fitted autoencoder unchanged."""
    autoencoder = dense(n_components=2)
    with pytest.raises(ValueError, match=r"needs y, but expected .*FrozenEstimator\(fitted\)"):
        wrap(autoencoder).fit(rows)
    wrapped = wrap(FrozenEstimator(autoencoder.fit(rows, Y)), random_state=0).fit(rows)
    np.testing.assert_array_equal(wrapped.autoencoder_.transform(rows), autoencoder.transform(rows))
