"""Integrations: callbacks of skorch and scikit-learn, TensorBoard, Optuna, pandas and polars."""

import pickle
import tempfile

import numpy as np
import optuna
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, LRScheduler, TensorBoard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.tensorboard import SummaryWriter

from skae import ConvAutoencoder, DenseAutoencoder


def dense(**parameters):
    """Build a small dense autoencoder."""
    return DenseAutoencoder(
        4, **{"hidden_layer_sizes": (16,), "max_iter": 4, "random_state": 0, **parameters}
    )


def conv(**parameters):
    """Build a small convolutional autoencoder."""
    return ConvAutoencoder(4, **{"n_filters": 2, "max_iter": 4, "random_state": 0, **parameters})


makers = pytest.mark.parametrize("make", [dense, conv])


def with_callbacks(*callbacks):
    """Return `net_params` with callbacks of skorch."""
    return {"callbacks": list(callbacks)}


# ---------------------------------------------------------------------------------------------------- skorch's callbacks


@makers
def test_skorch_early_stopping(make, digits):
    """A patience of 2 with an unreachable threshold ends training after the third epoch."""
    stop = EarlyStopping(monitor="valid_loss", patience=2, threshold=0.9, sink=lambda text: None)
    fitted = make(max_iter=20, net_params=with_callbacks(stop)).fit(digits[0])
    assert fitted.n_iter_ == len(fitted.validation_scores_) - 1 == 3
    assert fitted.best_loss_ <= min(row["valid_loss"] for row in fitted.net_.history)


@makers
def test_skorch_learning_rate_schedulers(make, digits):
    """LRScheduler replaces the learning rates of skae, by step or by validation loss."""
    steps = LRScheduler(StepLR, step_size=2, gamma=0.1)
    rates = [
        row["event_lr"]
        for row in make(learning_rate_init=0.01, net_params=with_callbacks(steps))
        .fit(digits[0])
        .net_.history
    ]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001])
    plateau = LRScheduler(
        ReduceLROnPlateau, monitor="valid_loss", patience=0, threshold=0.9, factor=0.5
    )
    rates = [
        row["event_lr"]
        for row in make(learning_rate_init=0.01, net_params=with_callbacks(plateau))
        .fit(digits[0])
        .net_.history
    ]
    assert rates[-1] < rates[0]


@makers
def test_a_skorch_checkpoint_loads_into_another_autoencoder(make, digits, tmp_path):
    """Loaded weights result in the same latent vectors, and training resumes from them."""
    checkpoint = Checkpoint(dirname=str(tmp_path))
    fitted = make(net_params=with_callbacks(checkpoint)).fit(digits[0])
    assert {path.name for path in tmp_path.iterdir()} == {
        "params.pt",
        "optimizer.pt",
        "criterion.pt",
        "history.json",
    }
    again = make(max_iter=1, random_state=1).fit(digits[0])
    assert not np.array_equal(again.transform(digits[0]), fitted.transform(digits[0]))
    again.net_.load_params(f_params=tmp_path / "params.pt")
    # otherwise the last checkpoint would not have the selected weights
    assert fitted.best_iter_ == fitted.n_iter_
    assert_array_equal(again.transform(digits[0]), fitted.transform(digits[0]))
    before = again.score(digits[0])
    assert again.set_params(warm_start=True, max_iter=10).fit(digits[0]).score(digits[0]) >= before


class LossRecorder(Callback):
    """Callback that records training losses."""

    def __init__(self, losses):
        self.losses = losses

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        self.losses.append(net.history[-1, "train_loss"])
        self.last_ = net


@pytest.mark.parametrize("named", [False, True])
def test_callbacks_are_copied_with_their_references(named, digits):
    """Fit copies a callback, but not the objects that the callback refers to."""
    losses = []
    recorder = LossRecorder(losses)
    callback = recorder
    if named:
        callback = ("recorder", recorder)
    fitted = dense(net_params=with_callbacks(callback)).fit(digits[0])
    assert losses == [row["train_loss"] for row in fitted.net_.history]
    assert vars(recorder) == {"losses": losses}


def test_partial_fit_continues_with_the_same_callbacks(digits):
    """With unchanged callbacks partial_fit continues with its net, otherwise it builds a new one."""
    losses = []
    autoencoder = dense(net_params=with_callbacks(LossRecorder(losses))).partial_fit(digits[0])
    net = autoencoder.net_
    assert autoencoder.partial_fit(digits[0]).net_ is net
    assert len(losses) == 2
    autoencoder.net_params["callbacks"].append(LossRecorder([]))
    assert autoencoder.partial_fit(digits[0]).net_ is not net


# ------------------------------------------------------------------------------------------------------------- TensorBoard


def scalars(folder):
    """Read the scalars of a TensorBoard folder: number of values and last value, by name."""
    events = EventAccumulator(str(folder)).Reload()
    return {
        name: (len(events.Scalars(name)), events.Scalars(name)[-1].value)
        for name in events.Tags()["scalars"]
    }


@makers
def test_tensorboard_writes_losses(make, digits, tmp_path):
    """Skorch's callback writes the losses of every epoch with an open writer."""
    fitted = make(net_params=with_callbacks(TensorBoard(SummaryWriter(tmp_path)))).fit(digits[0])
    last = fitted.net_.history[-1]
    expected = {
        "Loss/train_loss": "train_loss",
        "Loss/valid_loss": "valid_loss",
        "dur": "dur",
        "lr": "lr",
    }
    assert scalars(tmp_path) == {
        name: (4, pytest.approx(last[key])) for name, key in expected.items()
    }


class Board(TensorBoard):
    """TensorBoard callback with a folder for each fit: an open writer cannot be cloned."""

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        self.writer = SummaryWriter(tempfile.mkdtemp(dir=self.writer))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_tensorboard_in_a_search(n_jobs, digits, tmp_path):
    """A search clones a callback that opens its own writer, and writes a folder for each fit."""
    estimator = dense(early_stopping=False, net_params=with_callbacks(Board(tmp_path)))
    search = GridSearchCV(
        estimator, {"max_iter": [1, 2]}, cv=2, n_jobs=n_jobs, error_score="raise"
    ).fit(digits[0])
    epochs = sorted(scalars(one)["Loss/train_loss"][0] for one in tmp_path.iterdir())
    assert epochs == sorted([1, 1, 2, 2, search.best_params_["max_iter"]])
    assert pickle.loads(pickle.dumps(search.best_estimator_)).n_iter_ == epochs[-1]


# ------------------------------------------------------------------------------------------------- scikit-learn's callbacks


def explained(autoencoder, X, y=None):
    """Return the score for a monitor."""
    return {"explained": autoencoder.score(X)}


@makers
def test_monitor_and_bar_together(make, digits, capsys):
    """A monitor of the autoencoder and a progress bar of the pipeline both see every epoch."""
    monitor = ScoringMonitor(scoring=explained)
    pipeline = Pipeline(
        [("ae", make().set_callbacks(monitor)), ("clf", LogisticRegression(max_iter=500))]
    )
    pipeline.set_callbacks(ProgressBar()).fit(*digits)
    scores = monitor.get_logs().data_as_pandas.query("task_name == 'epoch'")["explained"]
    assert len(scores) == 4
    assert scores.is_monotonic_increasing
    output = capsys.readouterr().out
    assert "Pipeline" in output
    assert type(pipeline["ae"]).__name__ in output


# ------------------------------------------------------------------------------------------------------------------ Optuna


@pytest.fixture
def study():
    """Return a function that creates studies without log messages."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield lambda **settings: optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=0), **settings
    )
    optuna.logging.set_verbosity(before)


def test_optuna_searches_a_pipeline(study, digits):
    """Optuna suggests parameters, and the best value is the maximum of the cross-validated scores."""

    def accuracy(trial):
        autoencoder = dense().set_params(
            n_components=trial.suggest_int("n_components", 1, 16, log=True)
        )
        classifier = LogisticRegression(C=trial.suggest_float("C", 0.1, 10, log=True), max_iter=500)
        return cross_val_score(
            Pipeline([("ae", autoencoder), ("clf", classifier)]), *digits, cv=2
        ).mean()

    search = study(direction="maximize")
    search.optimize(accuracy, n_trials=4)
    values = [trial.value for trial in search.trials]
    assert search.best_value == max(values) > 0.6
    assert len(set(values)) > 1


class Pruning(Callback):
    """Callback that reports each epoch to Optuna, and prunes the trial if Optuna asks for it."""

    def __init__(self, trial):
        self.trial = trial

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        self.trial.report(net.history[-1, "valid_loss"], step=len(net.history))
        if self.trial.should_prune():
            raise optuna.TrialPruned


def test_optuna_prunes_a_trial_within_a_fit(study, digits):
    """A callback that raises Optuna's exception ends a trial in its second epoch, not the study."""

    def loss(trial):
        rate = trial.suggest_categorical("rate", [1e-2, 1e-7])
        return (
            dense(learning_rate_init=rate, net_params=with_callbacks(Pruning(trial)))
            .fit(digits[0])
            .best_loss_
        )

    search = study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2))
    for rate in (1e-2, 1e-7, 1e-2):
        search.enqueue_trial({"rate": rate})
    search.optimize(loss, n_trials=3)
    good, bad, last = search.trials
    assert bad.state == optuna.trial.TrialState.PRUNED
    assert max(bad.intermediate_values) == 2
    assert good.value == last.value == search.best_value


# -------------------------------------------------------------------------------------------------------- pandas and polars


@makers
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_pandas_and_polars_tables(make, library, digits):
    """Tables have the latent vectors of arrays, and set_output returns tables with feature names."""
    X = digits[0]
    names = [f"pixel {number}" for number in range(X.shape[1])]
    if library == "pandas":
        frame_type = pd.DataFrame
        table = pd.DataFrame(X, columns=names, index=np.arange(len(X)) + 7)
    else:
        frame_type = pl.DataFrame
        table = pl.DataFrame(X, schema=names)
    fitted = make().fit(table)
    expected = fitted.transform(table)
    assert_array_equal(fitted.feature_names_in_, names)
    # not equal, because the memory layout of columns is different
    assert_allclose(expected, make().fit(X).transform(X), atol=1e-4)
    Z = clone(fitted).set_output(transform=library).fit(table).transform(table)
    assert isinstance(Z, frame_type)
    assert list(Z.columns) == fitted.get_feature_names_out().tolist()
    assert_array_equal(Z.to_numpy(), expected)
    if library == "pandas":
        assert_array_equal(Z.index, table.index)
    assert_array_equal(fitted.inverse_transform(Z), fitted.inverse_transform(expected))
