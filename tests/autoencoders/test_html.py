"""HTML representation of fitted autoencoders, and the fitted attributes in it."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)
from skae.autoencoders._html import layers, start_name, summary

from ..cases import color_images, curve, low_rank


def summary_of(estimator):
    """Return the summary as a dict, with "(auto)" after values selected by "auto"."""
    rows = {}
    for name, text, is_auto in summary(estimator):
        if is_auto:
            text = f"{text} (auto)"
        rows[name] = text
    return rows


def tables(estimator):
    """Return the tables of skae in the HTML of an estimator."""
    html = estimator._repr_html_()
    return html[html.index("<summary>Summary") : html.index("<summary>Fitted attributes")]


@pytest.fixture(scope="module")
def nonlinear():
    """Return an autoencoder fitted on a curve, with a lower error than PCA."""
    return DenseAutoencoder(1, random_state=0, max_iter=60).fit(curve(400))


def test_summary_and_layers_of_every_configuration(case, fitted):
    """The summary agrees with the fitted attributes, and the layers have all weights of the network."""
    rows = summary_of(fitted)
    assert str(fitted.n_components_) in rows["latent vector"]
    assert rows["initialization"].startswith(fitted.init_)
    listed = layers(fitted)
    names = [name for name, *_ in listed]
    assert names[0] == "components"
    assert set(names[1:]) <= set(dict(fitted.net_.module_.named_modules()))
    assert sum(row[3] for row in listed[1:]) == sum(
        weight.numel() for weight in fitted.net_.module_.parameters()
    )
    html = tables(fitted)
    assert all(f">{name}</td>".replace(" ", "&nbsp;") in html for name in [*rows, *names])


def test_the_summary_of_a_table():
    """The summary has sizes, epochs, validation set, and the values selected by "auto"."""
    X = low_rank(100, 8, dtype=np.float32)
    fitted = DenseAutoencoder(random_state=0, max_iter=7, batch_size=50, early_stopping=False).fit(
        X
    )
    rows = summary_of(fitted)
    assert rows["input"] == "8 features, float32"
    assert rows["latent vector"] == "4 dimensions (auto)"
    assert rows["initialization"] == "pca (auto)"
    assert rows["hidden layers"] == "encoder 128; decoder 128, 128 (auto)"
    assert rows["epochs"] == "7 trained"
    assert rows["batch size"] == "50 samples"
    assert rows["validation set"] == "none"
    assert rows["learning rate"] == "0.0025 (auto)"
    assert rows["precision"] == "float32 (auto)"
    assert rows["device"] == f"{fitted.net_.device} (auto)"
    assert rows["explained"] == "unknown: no validation set"
    linear = DenseAutoencoder(
        2, hidden_layer_sizes=(), max_iter=2, device="cpu", precision="float32"
    ).fit(X)
    assert summary_of(linear)["hidden layers"] == "none"
    assert summary_of(linear)["device"] == "cpu"


def test_the_summary_of_images():
    """The summary has the layout of images, marked "(auto)" if it was inferred."""
    quick = {"max_iter": 1, "random_state": 0, "n_filters": 2}
    X = color_images(20, 6, 5)
    assert summary_of(ConvAutoencoder(2, **quick).fit(X))["input"] == (
        "images of 6 x 5 pixels, 3 channels (channels last), float64 (auto)"
    )
    first = ConvAutoencoder(2, channel_axis=1, **quick).fit(np.moveaxis(X, -1, 1))
    assert "3 channels (channels first)" in summary_of(first)["input"]
    assert first.channel_axis_ == 1
    grayscale = ConvAutoencoder(2, image_shape=(6, 5), **quick).fit(X[..., 0].reshape(20, -1))
    assert summary_of(grayscale)["input"] == "images of 6 x 5 pixels, grayscale, float64"
    assert grayscale.channel_axis_ is None
    assert summary_of(grayscale)["filters"] == "2"
    assert (
        summary_of(ConvAutoencoder(2, **quick).fit(low_rank(20, 7)))["input"]
        == "signals of length 7, float64 (auto)"
    )


def test_the_summary_compares_the_score_with_pca(nonlinear):
    """The explained fraction of the selected weights is followed by the fraction of PCA."""
    assert nonlinear.best_iter_ > 0
    rows = summary_of(nonlinear)
    score, pca_score = (float(number) for number in re.findall(r"0\.\d+", rows["explained"]))
    assert score == pytest.approx(nonlinear.best_validation_score_, abs=2e-3)
    assert pca_score == pytest.approx(nonlinear.validation_scores_[0], abs=2e-3)
    assert score > pca_score
    assert "PCA" in rows["explained"]
    assert (
        f"weights of epoch {nonlinear.best_iter_} selected" in rows["epochs"]
        or nonlinear.best_iter_ == nonlinear.n_iter_
    )


def test_the_summary_of_a_model_identical_to_pca():
    """On linear data the model is PCA, and the summary calls this the expected result."""
    X = np.random.default_rng(0).normal(size=(80, 6))
    fitted = DenseAutoencoder(2, random_state=0, max_iter=30).fit(X)
    rows = summary_of(fitted)
    assert fitted.best_iter_ == 0
    assert (
        "identical to PCA: training did not reduce the validation error significantly. "
        "This is the expected result for linear data" in rows["explained"]
    )
    assert rows["epochs"].endswith("initial weights selected")
    assert fitted.best_validation_score_ == fitted.validation_scores_[0]


@pytest.mark.parametrize(
    "parameters",
    [
        {"init": "random"},
        {"bottleneck": "variational"},
        {"penalty": "rate"},
        {"bottleneck": "ordered"},
        {"loss": "log_loss"},
    ],
    ids=str,
)
def test_other_initial_networks_are_not_named_pca(parameters):
    """An initial network that is not PCA, or has noise or a sigmoid, is not named PCA."""
    X = low_rank(60, 6, low=0, high=1)
    fitted = DenseAutoencoder(3, max_iter=2, random_state=0, **parameters).fit(X)
    assert start_name(fitted) == "initial network"
    assert "PCA" not in summary_of(fitted)["explained"]


def test_a_warm_start_is_not_named_pca():
    """With `warm_start`, `init_` is "warm start" after the second fit."""
    X = low_rank(60, 6)
    fitted = DenseAutoencoder(3, max_iter=2, warm_start=True, random_state=0).fit(X)
    assert start_name(fitted) == "PCA"
    fitted.fit(X)
    assert fitted.init_ == "warm start"
    assert start_name(fitted) == "initial network"


def test_the_html_has_no_side_effects(nonlinear):
    """The HTML does not change torch's random state or the network."""
    before, weights = (
        torch.random.get_rng_state(),
        copy.deepcopy(nonlinear.net_.module_.state_dict()),
    )
    nonlinear._repr_html_()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(
        torch.equal(weight, weights[name])
        for name, weight in nonlinear.net_.module_.state_dict().items()
    )


def test_there_is_no_summary_before_fit():
    """The HTML of an autoencoder that is not fitted is scikit-learn's."""
    html = DenseAutoencoder()._repr_html_()
    assert "Parameters" in html
    assert "<summary>Summary" not in html


def test_pipelines_and_searches_have_the_summary_once(rows):
    """The HTML of a pipeline and of a search has the summary of the autoencoder once."""
    pipeline = make_pipeline(StandardScaler(), DenseAutoencoder(2, max_iter=2, random_state=0))
    search = GridSearchCV(
        pipeline, {"denseautoencoder__n_components": [2, 3]}, cv=2, error_score="raise"
    )
    search.fit(rows)
    assert search._repr_html_().count("<summary>Summary") == 1
    assert pipeline.fit(rows)._repr_html_().count("<summary>Summary") == 1


@pytest.mark.parametrize("wrap", [ReconstructionDetector, LatentSampler, LatentCodec])
def test_meta_estimators_have_the_summary_of_the_autoencoder(wrap, rows):
    """The HTML of a detector, sampler or codec has the summary once fitted, and not before."""
    wrapper = wrap(DenseAutoencoder(2, max_iter=2), random_state=0)
    before = wrapper._repr_html_()
    assert "autoencoder: DenseAutoencoder" in before
    assert "<summary>Summary" not in before
    after = wrapper.fit(rows)._repr_html_()
    assert "autoencoder_: DenseAutoencoder" in after
    assert after.count("<summary>Summary") == 1


def test_html_without_private_parts_of_scikit_learn(nonlinear, monkeypatch):
    """If scikit-learn changes its private classes, the HTML still has the parameters."""
    sampler = LatentSampler(FrozenEstimator(nonlinear)).fit(curve(400))
    monkeypatch.setattr(BaseEstimator, "_get_fitted_attr_html", lambda self, doc_link="": {})
    monkeypatch.setattr("skae._sklearn_compat.visual_block", None)
    for html in (nonlinear._repr_html_(), sampler._repr_html_()):
        assert "random_state" in html
        assert "Summary" not in html


def test_the_html_survives_pickling(nonlinear):
    """A loaded autoencoder, which has no optimizer, has the same tables."""
    assert tables(pickle.loads(pickle.dumps(nonlinear))) == tables(nonlinear)


def test_the_html_is_escaped():
    """Markup in attributes and feature names is escaped."""
    X = pd.DataFrame(low_rank(20, 3), columns=["<script>alert(1)</script>", "b", "c"])
    fitted = DenseAutoencoder(1, max_iter=1, random_state=0).fit(X)
    fitted.init_ = "<script>alert(2)</script>"
    html = fitted._repr_html_()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(2)" in tables(fitted)


def test_the_summary_of_constant_data():
    """With a constant validation set the explained fraction is unknown."""
    fitted = DenseAutoencoder(1, max_iter=2, random_state=0).fit(np.full((20, 3), 5.0))
    assert summary_of(fitted)["explained"] == "unknown: the validation set is constant"
    assert "<summary>Layers" in fitted._repr_html_()


def test_fractions_near_one_have_enough_digits():
    """The difference of a fraction from 1 has two significant digits."""
    X = np.random.default_rng(0).normal(size=(60, 2)) @ np.ones((2, 6)) + 1e-3 * low_rank(60, 6)
    fitted = DenseAutoencoder(1, max_iter=1, random_state=0).fit(X)
    fraction = float(re.search(r"0\.9\d+", summary_of(fitted)["explained"])[0])
    assert 1 - fraction == pytest.approx(1 - fitted.best_validation_score_, rel=0.1)


# ------------------------------------------------------------------------- fitted attributes of the summary


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_validation_iters_are_the_epochs_of_validation_scores(make):
    """There are five evaluations, evenly spaced, or one per epoch with callbacks."""
    X = curve(60)
    fitted = make(1, max_iter=12, random_state=0).fit(X)
    assert fitted.validation_iters_ == [0, 2, 5, 7, 10, 12][: len(fitted.validation_scores_)]
    assert len(fitted.validation_iters_) == len(fitted.validation_scores_)
    with_callbacks = make(1, max_iter=3, net_params={"callbacks": []}, random_state=0).fit(X)
    assert with_callbacks.validation_iters_ == list(range(with_callbacks.n_iter_ + 1))
    assert make(1, max_iter=2, early_stopping=False).fit(X).validation_iters_ is None


def test_the_best_score_is_that_of_the_best_loss():
    """With squared error, the best score follows from the best loss."""
    X = curve(300)
    fitted = DenseAutoencoder(1, max_iter=40, random_state=0).fit(X)
    mean_loss = np.square(X - X.mean(0)).mean()
    assert fitted.best_validation_score_ == pytest.approx(
        1 - fitted.best_loss_ / mean_loss, abs=5e-3
    )
    assert fitted.best_validation_score_ >= max(fitted.validation_scores_) - 1e-9


def test_resolved_parameters_are_attributes():
    """Batch size, learning rate, epochs, precision and validation set are fitted attributes."""
    X = low_rank(60, 6)
    fitted = DenseAutoencoder(2, random_state=0).fit(X)
    assert (fitted.batch_size_, fitted.max_iter_, fitted.n_folds_, fitted.n_held_out_) == (
        60,
        100,
        5,
        60,
    )
    assert fitted.learning_rate_init_ == pytest.approx(2.5e-4 * np.sqrt(60))
    assert fitted.precision_ == "float32"
    given = {"batch_size": 20, "max_iter": 3, "learning_rate_init": 0.01, "precision": "bfloat16"}
    fitted = DenseAutoencoder(2, random_state=0, **given).fit(X[:50], X_val=X[50:])
    assert {name: getattr(fitted, f"{name}_") for name in given} == given
    assert (fitted.n_folds_, fitted.n_held_out_) == (1, 10)
    single = DenseAutoencoder(
        2, max_iter=3, validation_fraction=0.25, penalty="sparsity", random_state=0
    ).fit(X)
    assert (single.n_folds_, single.n_held_out_) == (1, 15)
    fitted.partial_fit(X)
    assert (fitted.batch_size_, fitted.max_iter_, fitted.n_folds_, fitted.n_held_out_) == (
        20,
        1,
        0,
        0,
    )
    assert fitted.best_validation_score_ is None
    assert "PCA" not in summary_of(fitted)["explained"]
