"""What a notebook shows of a fitted autoencoder, and the fitted attributes behind it."""

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

from skae import ConvAutoencoder, DenseAutoencoder, LatentCodec, LatentSampler, ReconstructionDetector
from skae._html import layers, start_name, summary

from .cases import colour_images, curve, low_rank


def rows_of(estimator):
    """Give the summary as a dict, with "(auto)" where skae chose."""
    return {name: text + (" (auto)" if auto else "") for name, text, auto in summary(estimator)}


def tables(estimator):
    """Give the tables that are ours, as the HTML of an estimator has them."""
    html = estimator._repr_html_()
    return html[html.index("<summary>Summary") : html.index("<summary>Fitted attributes")]


@pytest.fixture(scope="module")
def bent():
    """An autoencoder that follows a curve, which PCA can't."""
    return DenseAutoencoder(1, random_state=0, max_iter=60).fit(curve(400))


def test_every_configuration_is_shown(case, fitted):
    """The summary has what the attributes say, and the layers hold all weights that the network has."""
    found = rows_of(fitted)
    assert str(fitted.n_components_) in found["code"]
    assert found["start"].startswith(fitted.init_)
    listed = layers(fitted)
    names = [name for name, *_ in listed]
    assert names[0] == "components"
    assert set(names[1:]) <= set(dict(fitted.net_.module_.named_modules()))
    assert sum(row[3] for row in listed[1:]) == sum(weight.numel() for weight in fitted.net_.module_.parameters())
    shown = tables(fitted)
    assert all(f">{name}</td>".replace(" ", "&nbsp;") in shown for name in [*found, *names])


def test_the_summary_of_a_table():
    """Sizes, epochs, what was held out and what became of "auto" are told in words."""
    X = low_rank(100, 8, dtype=np.float32)
    fitted = DenseAutoencoder(random_state=0, max_iter=7, batch_size=50, early_stopping=False).fit(X)
    found = rows_of(fitted)
    assert found["input"] == "8 numbers, float32"
    assert found["code"] == "4 numbers (auto)"
    assert found["start"] == "pca (auto)"
    assert found["hidden layers"] == "encoder 128; decoder 128, 128 (auto)"
    assert found["epochs"] == "7 trained"
    assert found["batches"] == "50 samples"
    assert found["held out"] == "none"
    assert found["learning rate"] == "0.0025 (auto)"
    assert found["precision"] == "float32 (auto)"
    assert found["device"] == f"{fitted.net_.device} (auto)"
    assert found["explained"] == "not known: no samples were held out"
    bare = DenseAutoencoder(2, hidden_layer_sizes=(), max_iter=2, device="cpu", precision="float32").fit(X)
    assert rows_of(bare)["hidden layers"] == "none"
    assert rows_of(bare)["device"] == "cpu"


def test_the_summary_of_images():
    """How an image was taken to lie in X stands there, a guess as such."""
    quick = {"max_iter": 1, "random_state": 0, "n_filters": 2}
    X = colour_images(20, 6, 5)
    assert rows_of(ConvAutoencoder(2, **quick).fit(X))["input"] == (
        "images of 6 x 5 pixels, 3 channels that come last, float64 (auto)"
    )
    first = ConvAutoencoder(2, channel_axis=1, **quick).fit(np.moveaxis(X, -1, 1))
    assert "3 channels that come first" in rows_of(first)["input"]
    assert first.channel_axis_ == 1
    grey = ConvAutoencoder(2, image_shape=(6, 5), **quick).fit(X[..., 0].reshape(20, -1))
    assert rows_of(grey)["input"] == "images of 6 x 5 pixels, grey, float64"
    assert grey.channel_axis_ is None
    assert rows_of(grey)["filters"] == "2"
    assert rows_of(ConvAutoencoder(2, **quick).fit(low_rank(20, 7)))["input"] == "signals of 7 numbers, float64 (auto)"


def test_where_training_paid_pca_stands_beside_it(bent):
    """The share explained with the weights taken stands beside that of PCA."""
    assert bent.best_iter_ > 0
    found = rows_of(bent)["explained"]
    mine, pca = (float(number) for number in re.findall(r"0\.\d+", found))
    assert mine == pytest.approx(bent.best_validation_score_, abs=2e-3)
    assert pca == pytest.approx(bent.validation_scores_[0], abs=2e-3)
    assert mine > pca
    assert "PCA" in found
    assert f"weights after {bent.best_iter_} taken" in rows_of(bent)["epochs"] or bent.best_iter_ == bent.n_iter_


def test_where_pca_was_best_it_says_so():
    """On linear data PCA is kept, and that this is right is said."""
    X = np.random.default_rng(0).normal(size=(80, 6))
    fitted = DenseAutoencoder(2, random_state=0, max_iter=30).fit(X)
    found = rows_of(fitted)
    assert fitted.best_iter_ == 0
    assert "that is PCA: training gained nothing sure over it. Where data are linear, this is the right" in found["explained"]
    assert found["epochs"].endswith("weights of the start taken")
    assert fitted.best_validation_score_ == fitted.validation_scores_[0]


@pytest.mark.parametrize(
    "parameters",
    [{"init": "random"}, {"bottleneck": "variational"}, {"penalty": "rate"}, {"bottleneck": "ordered"}, {"loss": "log_loss"}],
    ids=str,
)
def test_what_is_not_pca_is_not_called_so(parameters):
    """A start that isn't PCA, or is judged with noise or through a sigmoid, is only the start."""
    X = low_rank(60, 6, low=0, high=1)
    fitted = DenseAutoencoder(3, max_iter=2, random_state=0, **parameters).fit(X)
    assert start_name(fitted) == "start"
    assert "PCA" not in rows_of(fitted)["explained"]


def test_a_warm_start_is_not_called_pca():
    """A fit that goes on starts from the weights that were there, and says so."""
    X = low_rank(60, 6)
    fitted = DenseAutoencoder(3, max_iter=2, warm_start=True, random_state=0).fit(X)
    assert start_name(fitted) == "PCA"
    fitted.fit(X)
    assert fitted.init_ == "warm start"
    assert start_name(fitted) == "start"


def test_showing_draws_nothing(bent):
    """Shapes of layers are found without drawing from torch's generator, and without touching the network."""
    before, weights = torch.random.get_rng_state(), copy.deepcopy(bent.net_.module_.state_dict())
    bent._repr_html_()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(weight, weights[name]) for name, weight in bent.net_.module_.state_dict().items())


def test_nothing_is_shown_before_fit():
    """An autoencoder that is not fitted has only scikit-learn's HTML."""
    html = DenseAutoencoder()._repr_html_()
    assert "Parameters" in html
    assert "<summary>Summary" not in html


def test_steps_of_pipelines_and_winners_of_searches_are_shown(rows):
    """The diagrams of a Pipeline and of a search have the summary of the autoencoder in them, once."""
    pipeline = make_pipeline(StandardScaler(), DenseAutoencoder(2, max_iter=2, random_state=0))
    search = GridSearchCV(pipeline, {"denseautoencoder__n_components": [2, 3]}, cv=2, error_score="raise")
    search.fit(rows)
    assert search._repr_html_().count("<summary>Summary") == 1
    assert pipeline.fit(rows)._repr_html_().count("<summary>Summary") == 1


@pytest.mark.parametrize("wrap", [ReconstructionDetector, LatentSampler, LatentCodec])
def test_what_wraps_an_autoencoder_shows_it(wrap, rows):
    """The HTML of a detector, a sampler and a codec has the summary of the autoencoder that they fitted, and none before."""
    wrapper = wrap(DenseAutoencoder(2, max_iter=2), random_state=0)
    before = wrapper._repr_html_()
    assert "autoencoder: DenseAutoencoder" in before
    assert "<summary>Summary" not in before
    after = wrapper.fit(rows)._repr_html_()
    assert "autoencoder_: DenseAutoencoder" in after
    assert after.count("<summary>Summary") == 1


def test_without_private_parts_scikit_learn_shows_the_rest(bent, monkeypatch):
    """Where the table of attributes is made otherwise than today, and a block can't be, the HTML still has the parameters."""
    wrapped = LatentSampler(FrozenEstimator(bent)).fit(curve(400))
    monkeypatch.setattr(BaseEstimator, "_get_fitted_attr_html", lambda self, doc_link="": {})
    monkeypatch.setattr("skae._validation.visual_block", None)
    for shown in (bent._repr_html_(), wrapped._repr_html_()):
        assert "random_state" in shown
        assert "Summary" not in shown


def test_what_is_shown_survives_pickling(bent):
    """A loaded autoencoder, which has no optimizer, shows the same."""
    assert tables(pickle.loads(pickle.dumps(bent))) == tables(bent)


def test_what_is_shown_is_escaped():
    """Markup in what is shown is text, and names of columns are."""
    X = pd.DataFrame(low_rank(20, 3), columns=["<script>alert(1)</script>", "b", "c"])
    fitted = DenseAutoencoder(1, max_iter=1, random_state=0).fit(X)
    fitted.init_ = "<script>alert(2)</script>"
    html = fitted._repr_html_()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(2)" in tables(fitted)


def test_constant_data_are_shown():
    """Where nothing varies there is nothing to explain, and that is said."""
    fitted = DenseAutoencoder(1, max_iter=2, random_state=0).fit(np.full((20, 3), 5.0))
    assert rows_of(fitted)["explained"] == "not known: what was held out does not vary"
    assert "<summary>Layers" in fitted._repr_html_()


def test_a_share_near_one_has_digits_that_count():
    """What is missing to 1 is seen however little it is."""
    X = np.random.default_rng(0).normal(size=(60, 2)) @ np.ones((2, 6)) + 1e-3 * low_rank(60, 6)
    fitted = DenseAutoencoder(1, max_iter=1, random_state=0).fit(X)
    shown = float(re.search(r"0\.9\d+", rows_of(fitted)["explained"])[0])
    assert 1 - shown == pytest.approx(1 - fitted.best_validation_score_, rel=0.1)


# ------------------------------------------------------------------------------------- what the summary is made from


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_looks_have_their_epochs(make):
    """The epochs of looks are known: five, evenly spread, or all with callbacks, up to where training ended."""
    X = curve(60)
    fitted = make(1, max_iter=12, random_state=0).fit(X)
    assert fitted.validation_iters_ == [0, 2, 5, 7, 10, 12][: len(fitted.validation_scores_)]
    assert len(fitted.validation_iters_) == len(fitted.validation_scores_)
    every = make(1, max_iter=3, net_params={"callbacks": []}, random_state=0).fit(X)
    assert every.validation_iters_ == list(range(every.n_iter_ + 1))
    assert make(1, max_iter=2, early_stopping=False).fit(X).validation_iters_ is None


def test_the_best_score_is_that_of_the_best_loss():
    """Both attributes are of the same weights: with squared error one gives the other."""
    X = curve(300)
    fitted = DenseAutoencoder(1, max_iter=40, random_state=0).fit(X)
    mean_loss = np.square(X - X.mean(0)).mean()
    assert fitted.best_validation_score_ == pytest.approx(1 - fitted.best_loss_ / mean_loss, abs=5e-3)
    assert fitted.best_validation_score_ >= max(fitted.validation_scores_) - 1e-9


def test_what_was_used_is_recorded():
    """Batch size, learning rate, epochs, precision, and what was held out are attributes, given or not."""
    X = low_rank(60, 6)
    fitted = DenseAutoencoder(2, random_state=0).fit(X)
    assert (fitted.batch_size_, fitted.max_iter_, fitted.n_folds_, fitted.n_held_out_) == (60, 100, 5, 60)
    assert fitted.learning_rate_init_ == pytest.approx(2.5e-4 * np.sqrt(60))
    assert fitted.precision_ == "float32"
    given = {"batch_size": 20, "max_iter": 3, "learning_rate_init": 0.01, "precision": "bfloat16"}
    fitted = DenseAutoencoder(2, random_state=0, **given).fit(X[:50], X_val=X[50:])
    assert {name: getattr(fitted, f"{name}_") for name in given} == given
    assert (fitted.n_folds_, fitted.n_held_out_) == (1, 10)
    part = DenseAutoencoder(2, max_iter=3, validation_fraction=0.25, penalty="sparsity", random_state=0).fit(X)
    assert (part.n_folds_, part.n_held_out_) == (1, 15)
    fitted.partial_fit(X)
    assert (fitted.batch_size_, fitted.max_iter_, fitted.n_folds_, fitted.n_held_out_) == (20, 1, 0, 0)
    assert fitted.best_validation_score_ is None
    assert "PCA" not in rows_of(fitted)["explained"]
