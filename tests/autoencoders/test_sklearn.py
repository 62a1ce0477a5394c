"""scikit-learn's own checks, and the estimators inside scikit-learn's tools."""

import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_inplace_ensure_writeable,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)

from skae import ConvAutoencoder, DenseAutoencoder
from skae.bottlenecks import Quantized

from ..sklearn_checks import run_checks
from ..user_options import Channel, LogCosh, Speckle, ViewAgreement, largest_error, shrink

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}

CHECKED = [
    DenseAutoencoder(max_iter=3),
    DenseAutoencoder(
        n_components=2, loss="absolute_error", hidden_layer_sizes=(16,), solver="adam", max_iter=2
    ),
    DenseAutoencoder(n_components=3, solver="sgd", activation="tanh", **FAST),
    DenseAutoencoder(n_components=2, hidden_layer_sizes=(), **FAST),
    DenseAutoencoder(n_components=40, hidden_layer_sizes=(16, 12), activation="relu", **FAST),
    DenseAutoencoder(n_components=1, init="random", solver=torch.optim.NAdam, batch_size=5, **FAST),
    DenseAutoencoder(n_components=3, bottleneck="ordered", **FAST),
    DenseAutoencoder(n_components=2, bottleneck="variational", **FAST),
    DenseAutoencoder(n_components=4, bottleneck=Quantized(4), **FAST),
    DenseAutoencoder(n_components=2, penalty="rate", corruption="masking", **FAST),
    DenseAutoencoder(n_components=2, allow_nan=True, **FAST),
    DenseAutoencoder(n_components=2, target_weight=1.0, **FAST),
    DenseAutoencoder(n_components=2, loss=LogCosh(), penalty=ViewAgreement(), **FAST),
    DenseAutoencoder(n_components=2, bottleneck=Channel(), corruption=Speckle(), **FAST),
    ConvAutoencoder(max_iter=2, n_filters=4),
    ConvAutoencoder(
        n_components=2, n_filters=2, bottleneck="ordered", allow_nan=True, target_weight=1.0, **FAST
    ),
    ConvAutoencoder(
        n_components=2, n_filters=2, penalty=ViewAgreement(), corruption=Speckle(), **FAST
    ),
    ConvAutoencoder(n_components=2, loss="absolute_error", n_filters=4, solver="adam", **FAST),
    ConvAutoencoder(n_components=3, n_filters=2, activation="relu", channel_axis=1, **FAST),
    ConvAutoencoder(n_components=2, n_filters=1, solver="sgd", **FAST),
    ConvAutoencoder(n_components=40, n_filters=3, activation="tanh", **FAST),
    ConvAutoencoder(
        n_components=1, n_filters=3, init="random", batch_size=5, solver="rmsprop", **FAST
    ),
]


def expected_to_fail(estimator):
    """A row of weight two isn't two rows for minibatches: scikit-learn expects the same of its own such estimators."""
    reason = "minibatches are drawn from rows, whatever their weights"
    checks = {"check_sample_weight_equivalence_on_dense_data": reason}
    selects_pca = estimator.get_params()["max_iter"] == 3  # of which weights are repetitions
    if estimator.__sklearn_tags__().input_tags.sparse and not selects_pca:
        checks["check_sample_weight_equivalence_on_sparse_data"] = reason
    return checks


@parametrize_with_checks(CHECKED, expected_failed_checks=expected_to_fail, xfail_strict=True)
def test_scikit_learns_checks(estimator, check):
    """Every check of scikit-learn's check_estimator passes."""
    check(estimator)


def test_scikit_learns_checks_with_functions():
    """Every check passes with functions as loss and corruption, whose repr has an address."""
    estimator = DenseAutoencoder(n_components=2, loss=largest_error, corruption=shrink, **FAST)
    assert run_checks(estimator, expected_to_fail(estimator)) > 40


EXTRA = [
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_global_output_transform_pandas,
    check_get_feature_names_out_error,
    check_dataframe_column_names_consistency,
    check_param_validation,
    check_inplace_ensure_writeable,
]


@pytest.mark.parametrize("check", EXTRA, ids=lambda check: check.__name__)
@pytest.mark.parametrize("class_", [DenseAutoencoder, ConvAutoencoder])
def test_more_of_scikit_learns_checks(class_, check):
    """The checks that scikit-learn has but does not ask of others pass, too."""
    check(class_.__name__, class_(max_iter=1, early_stopping=False))


def make_dense(**parameters):
    """Make a dense autoencoder for digits."""
    return DenseAutoencoder(4, **{**FAST, "hidden_layer_sizes": (16,), **parameters})


def make_conv(**parameters):
    """Make a convolutional autoencoder for digits."""
    return ConvAutoencoder(4, **{**FAST, "n_filters": 2, **parameters})


makers = pytest.mark.parametrize("make", [make_dense, make_conv])


@makers
def test_pipeline_with_labels_of_strings(make, digits):
    """Labels of any kind reach the classifier after the autoencoder."""
    X, y = digits
    names = np.array([f"digit {label}" for label in y], dtype=object)
    pipe = make_pipeline(make(), LogisticRegression(max_iter=500)).fit(X, names)
    assert set(pipe.predict(X[:50])) <= set(names)
    assert pipe.score(X, names) > 0.6


def test_pipeline_of_images(digits):
    """Images of three dimensions go through a pipeline."""
    X, y = digits
    images = X.reshape(-1, 8, 8)
    pipe = make_pipeline(make_conv(), LogisticRegression(max_iter=500)).fit(images, y)
    assert pipe.score(images, y) > 0.6
    np.testing.assert_array_equal(pipe.predict(images), pipe.predict(X))


@makers
def test_pipeline_inverse_transform(make, digits):
    """A pipeline's inverse_transform undoes the step before, too."""
    X = digits[0]
    pipe = make_pipeline(StandardScaler(), make()).fit(X)
    scaled = pipe[0].transform(X)
    np.testing.assert_allclose(
        pipe.inverse_transform(pipe.transform(X)),
        pipe[0].inverse_transform(pipe[1].reconstruct(scaled)),
        rtol=1e-5,
        atol=1e-5,
    )


@makers
def test_column_transformer_and_feature_union(make, digits):
    """Codes stand beside other columns, and are those of the autoencoder alone."""
    X = pd.DataFrame(digits[0]).add_prefix("pixel")
    columns = list(X.columns)
    both = ColumnTransformer([("ae", make(), columns[:63]), ("rest", "passthrough", columns[63:])])
    found = both.set_output(transform="pandas").fit_transform(X)
    assert list(found.columns)[:4] == [
        f"ae__{name}" for name in make().fit(X).get_feature_names_out()
    ]
    np.testing.assert_array_equal(
        found.to_numpy()[:, :4], make().fit(X[columns[:63]]).transform(X[columns[:63]])
    )
    union = FeatureUnion([("one", make()), ("other", FunctionTransformer())]).fit(X)
    np.testing.assert_array_equal(np.asarray(union.transform(X))[:, :4], make().fit(X).transform(X))


@makers
def test_grid_search_in_two_processes(make, digits):
    """A search over the size of the code runs in parallel and gives what one process gives."""
    X, y = digits[0][:200], digits[1][:200]
    pipe = Pipeline([("ae", make()), ("clf", LogisticRegression(max_iter=500))])
    grid = {"ae__n_components": [2, 6], "clf__C": [0.1, 1]}
    search = GridSearchCV(pipe, grid, cv=3, n_jobs=2, error_score="raise").fit(X, y)
    assert search.best_params_["ae__n_components"] == 6
    alone = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], atol=0.02
    )


@makers
def test_search_by_its_own_score(make, digits):
    """Without a scorer and without y, a search uses the share of variance explained, which grows with the code."""
    search = GridSearchCV(make(), {"n_components": [1, 8]}, cv=2, error_score="raise").fit(
        digits[0]
    )
    assert search.best_params_ == {"n_components": 8}
    assert 0 < search.best_score_ < 1


@makers
def test_cross_validate(make, digits):
    """cross_validate gives scores and fitted estimators."""
    found = cross_validate(
        make(), digits[0], cv=3, return_estimator=True, return_train_score=True, error_score="raise"
    )
    assert np.isfinite(found["test_score"]).all()
    for i, estimator in enumerate(found["estimator"]):
        assert estimator.transform(digits[0]).shape == (400, 4)
        assert found["train_score"][i] > 0.3


@makers
def test_pipeline_with_memory(make, digits, tmp_path):
    """A pipeline that caches its steps fits once, and loads the same codes the second time."""
    X, y = digits
    pipe = Pipeline(
        [("ae", make()), ("clf", LogisticRegression(max_iter=500))], memory=str(tmp_path)
    )
    first = pipe.fit(X, y).predict_proba(X)
    pipe.set_params(clf__C=1.0).fit(X, y)
    np.testing.assert_array_equal(pipe.predict_proba(X), first)
    assert any(tmp_path.rglob("output.pkl"))


@makers
def test_calibrated_classifier(make, digits):
    """A pipeline with an autoencoder is calibrated."""
    X, y = digits
    found = CalibratedClassifierCV(
        make_pipeline(make(), LogisticRegression(max_iter=500)), cv=2
    ).fit(X, y)
    np.testing.assert_allclose(found.predict_proba(X[:20]).sum(1), 1)


@makers
def test_frozen(make, digits):
    """A frozen autoencoder isn't fitted again."""
    X, y = digits
    estimator = make().fit(X)
    before = estimator.transform(X)
    pipe = make_pipeline(FrozenEstimator(estimator), LogisticRegression(max_iter=500)).fit(
        X[:100], y[:100]
    )
    np.testing.assert_array_equal(pipe[0].transform(X), before)


@makers
def test_metadata_routing(make, digits):
    """sample_weight arrives where it was asked for, and without that it is an error."""
    X, y = digits
    weights = np.linspace(0.1, 2, len(X))
    expected = make().fit(X, sample_weight=weights).transform(X)
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(make().set_fit_request(sample_weight=True), FunctionTransformer())
        np.testing.assert_array_equal(pipe.fit(X, y, sample_weight=weights).transform(X), expected)
        ignoring = make_pipeline(
            make().set_fit_request(sample_weight=False), LogisticRegression(max_iter=500)
        )
        ignoring[1].set_fit_request(sample_weight=True)
        np.testing.assert_array_equal(
            ignoring.fit(X, y, sample_weight=weights)[0].transform(X), make().fit(X).transform(X)
        )
        with pytest.raises(ValueError, match="sample_weight"):
            make_pipeline(make(), LogisticRegression()).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(
        Pipeline([("ae", make())]).fit(X, ae__sample_weight=weights).transform(X), expected
    )


def stopping(make):
    """Create an autoencoder with early stopping."""
    return make().set_params(early_stopping=True)


@makers
def test_routing_of_weights_and_x_val_in_searches(make, digits):
    """A search hands each fit its weights, and X_val as it is; its scores are weighted as well."""
    X, _ = digits
    weights = np.linspace(0.1, 2, len(X))
    X_val = X[:40] + 1
    with config_context(enable_metadata_routing=True):
        autoencoder = stopping(make).set_fit_request(sample_weight=True, X_val=True)
        autoencoder.set_score_request(sample_weight=True)
        pipe = Pipeline([("ae", autoencoder)])
        search = GridSearchCV(pipe, {"ae__n_components": [2, 3]}, cv=2)
        search.fit(X, sample_weight=weights, X_val=X_val)
        train, test = next(iter(KFold(2).split(X)))
        split = stopping(make).set_params(n_components=2)
        split.fit(X[train], sample_weight=weights[train], X_val=X_val)
        assert split.n_held_out_ == len(X_val)
        assert search.cv_results_["split0_test_score"][0] == pytest.approx(
            split.score(X[test], sample_weight=weights[test]), abs=1e-6
        )
        best = stopping(make).set_params(n_components=search.best_params_["ae__n_components"])
        best.fit(X, sample_weight=weights, X_val=X_val)
        np.testing.assert_array_equal(search.best_estimator_[0].transform(X), best.transform(X))


@makers
def test_x_val_is_transformed_by_earlier_steps(make, digits):
    """`transform_input` of a Pipeline takes X_val through the steps before the autoencoder."""
    X, _ = digits
    X_val = X[:40] + 1
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            MinMaxScaler(), stopping(make).set_fit_request(X_val=True), transform_input=["X_val"]
        )
        pipe.fit(X, X_val=X_val)
    scaler = MinMaxScaler().fit(X)
    expected = stopping(make).fit(scaler.transform(X), X_val=scaler.transform(X_val))
    np.testing.assert_array_equal(
        pipe[1].transform(scaler.transform(X)), expected.transform(scaler.transform(X))
    )


# -------------------------------------------------------------------------------------------------------- callbacks


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_progress_bar(make, early_stopping, digits, capsys):
    """scikit-learn's progress bar counts the epochs, and changes nothing in the result."""
    X = digits[0][:100]
    estimator = make(early_stopping=early_stopping).set_callbacks(ProgressBar())
    found = estimator.fit(X).transform(X)
    assert type(estimator).__name__ in capsys.readouterr().out
    np.testing.assert_array_equal(found, make(early_stopping=early_stopping).fit(X).transform(X))


@makers
def test_progress_bar_of_a_pipeline_and_a_search(make, digits, capsys):
    """A progress bar on the outermost estimator reaches the autoencoder."""
    X, y = digits[0][:100], digits[1][:100]
    Pipeline([("ae", make()), ("clf", LogisticRegression(max_iter=500))]).set_callbacks(
        ProgressBar()
    ).fit(X, y)
    assert "Autoencoder" in capsys.readouterr().out
    search = GridSearchCV(make(), {"n_components": [1, 2]}, cv=2, n_jobs=2, error_score="raise")
    assert search.set_callbacks(ProgressBar()).fit(X).best_params_ == {"n_components": 2}


def explained(estimator, X, y=None):
    """Score for a monitor."""
    return {"score": estimator.score(X)}


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_scoring_monitor(make, early_stopping, digits):
    """A scoring monitor scores the autoencoder after every epoch, with the weights of that epoch."""
    X = digits[0][:150]
    monitor = ScoringMonitor(scoring=explained)
    estimator = make(max_iter=4, early_stopping=early_stopping).set_callbacks(monitor).fit(X)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    scores = [row["score"] for row in rows]
    assert len(scores) == 4
    assert len(set(scores)) > 1
    assert np.isfinite(scores).all()
    if not early_stopping:
        assert scores[-1] == pytest.approx(estimator.score(X), abs=1e-6)


@makers
def test_scoring_monitor_in_a_pipeline_and_a_search(make, digits):
    """A monitor set on the autoencoder records every fit of a pipeline in a search over two processes."""
    X, y = digits[0][:100], digits[1][:100]
    monitor = ScoringMonitor(scoring=explained)
    pipe = Pipeline(
        [("ae", make().set_callbacks(monitor)), ("clf", LogisticRegression(max_iter=500))]
    )
    pipe.fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 2
    GridSearchCV(pipe, {"ae__n_components": [1, 2]}, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 2 * (2 * 2 + 1)
    assert all(np.isfinite(row["score"]) for row in rows)


def test_monitors_estimators_are_snapshots(digits):
    """Each epoch's estimator that a callback is given stays as it was after that epoch."""
    kept = []

    def keep(estimator, X, y=None):
        kept.append((estimator, estimator.transform(X)))
        return {"number": len(kept)}

    make_dense(max_iter=3).set_callbacks(ScoringMonitor(scoring=keep)).fit(digits[0])
    assert len(kept) >= 3
    for estimator, Z in kept:
        np.testing.assert_array_equal(estimator.transform(digits[0]), Z)
    assert not np.array_equal(kept[0][1], kept[1][1])


class StopAfterTwo:
    """Callback of scikit-learn that counts tasks, and asks to stop after two epochs."""

    def __init__(self):
        self.begun, self.ended = [], []

    def setup(self, estimator, context):  # noqa: D102
        pass

    def teardown(self, estimator, context):  # noqa: D102
        self.done = True

    def on_fit_task_begin(self, estimator, context):  # noqa: D102
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context):  # noqa: D102
        self.ended.append(context.task_name)
        return self.ended.count("epoch") == 2


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_callback_of_scikit_learn_stops_the_training(make, early_stopping, digits):
    """Where a callback asks to stop, no further epoch begins, and what was begun is ended, without a warning."""
    callback = StopAfterTwo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = (
            make(max_iter=20, early_stopping=early_stopping)
            .set_callbacks(callback)
            .fit(digits[0][:100])
        )
    assert estimator.n_iter_ == 2
    assert callback.begun.count("epoch") == callback.ended.count("epoch") == 2
    assert len(callback.begun) == len(callback.ended) == 3
    assert callback.done
    assert np.isfinite(estimator.transform(digits[0])).all()


@makers
def test_callbacks_are_torn_down_when_fit_fails(make, digits):
    """An error in training reaches the user, and callbacks are taken down all the same."""
    callback = StopAfterTwo()
    with pytest.raises(ValueError, match="learning_rate_init"):
        make(solver="sgd", learning_rate_init=1e30).set_callbacks(callback).fit(digits[0][:100])
    assert callback.done


def test_two_threads_with_one_seed_are_equal(digits):
    """Two fits at the same time give what one gives alone, and leave the global random states alone."""
    X = digits[0]
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    expected = [make().fit(X).transform(X) for make in (make_dense, make_conv)]
    found = [None] * 6

    def fit(i):
        found[i] = (make_dense if i % 2 == 0 else make_conv)().fit(X).transform(X)

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, Z in enumerate(found):
        np.testing.assert_array_equal(Z, expected[i % 2])
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002


@makers
def test_transform_in_several_threads(make, digits):
    """One fitted estimator encodes in several threads at a time."""
    X = digits[0]
    estimator = make().fit(X)
    expected = estimator.transform(X)
    found = [None] * 4

    def run(i):
        found[i] = [estimator.transform(X) for _ in range(5)]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for codes in found:
        for Z in codes:
            np.testing.assert_array_equal(Z, expected)


@makers
def test_no_warning_in_ordinary_use(make, digits):
    """Fitting and using on a table with names warns of nothing."""
    X = pd.DataFrame(digits[0]).add_prefix("pixel")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = make(early_stopping=True, max_iter=20).fit(X)
        estimator.score(X)
        estimator.reconstruction_error(X)
        estimator.inverse_transform(estimator.transform(X))
        estimator.reconstruct(X)
        clone(estimator).fit_transform(X)
