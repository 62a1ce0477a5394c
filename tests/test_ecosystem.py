"""Other tools: callbacks of skorch and of scikit-learn, TensorBoard, Optuna, pandas and polars."""

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
    """Make a small dense autoencoder."""
    return DenseAutoencoder(4, **{"hidden_layer_sizes": (16,), "max_iter": 4, "random_state": 0, **parameters})


def conv(**parameters):
    """Make a small convolutional autoencoder."""
    return ConvAutoencoder(4, **{"n_filters": 2, "max_iter": 4, "random_state": 0, **parameters})


makers = pytest.mark.parametrize("make", [dense, conv])


def told(*callbacks):
    """Give the net_params with some callbacks of skorch."""
    return {"callbacks": list(callbacks)}


# ---------------------------------------------------------------------------------------------------- skorch's callbacks


@makers
def test_early_stopping_ends_before_its_time(make, digits):
    """A patience of 2 with a threshold that no epoch reaches ends the training after the third epoch, quietly."""
    stop = EarlyStopping(monitor="valid_loss", patience=2, threshold=0.9, sink=lambda text: None)
    fitted = make(max_iter=20, net_params=told(stop)).fit(digits[0])
    assert fitted.n_iter_ == len(fitted.validation_scores_) - 1 == 3
    assert fitted.best_loss_ <= min(row["valid_loss"] for row in fitted.net_.history)


@makers
def test_schedulers_set_the_rate(make, digits):
    """LRScheduler takes the place of our rates, with a policy of steps, and with one that follows the validation loss."""
    steps = LRScheduler(StepLR, step_size=2, gamma=0.1)
    rates = [row["event_lr"] for row in make(learning_rate_init=0.01, net_params=told(steps)).fit(digits[0]).net_.history]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001])
    plateau = LRScheduler(ReduceLROnPlateau, monitor="valid_loss", patience=0, threshold=0.9, factor=0.5)
    rates = [row["event_lr"] for row in make(learning_rate_init=0.01, net_params=told(plateau)).fit(digits[0]).net_.history]
    assert rates[-1] < rates[0]


@makers
def test_a_checkpoint_goes_into_another_autoencoder(make, digits, tmp_path):
    """The weights that a Checkpoint wrote give the codes of the fit that wrote them, and training goes on from there."""
    kept = Checkpoint(dirname=str(tmp_path))
    fitted = make(net_params=told(kept)).fit(digits[0])
    assert {path.name for path in tmp_path.iterdir()} == {"params.pt", "optimizer.pt", "criterion.pt", "history.json"}
    again = make(max_iter=1, random_state=1).fit(digits[0])
    assert not np.array_equal(again.transform(digits[0]), fitted.transform(digits[0]))
    again.net_.load_params(f_params=tmp_path / "params.pt")
    assert fitted.best_iter_ == fitted.n_iter_  # or the last checkpoint is not what was chosen
    assert_array_equal(again.transform(digits[0]), fitted.transform(digits[0]))
    before = again.score(digits[0])
    assert again.set_params(warm_start=True, max_iter=10).fit(digits[0]).score(digits[0]) >= before


class Notes(Callback):
    """Note the losses."""

    def __init__(self, losses):
        self.losses = losses

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        self.losses.append(net.history[-1, "train_loss"])
        self.last_ = net


@pytest.mark.parametrize("named", [False, True])
def test_callbacks_note_things_where_the_user_sees_them(named, digits):
    """What a callback refers to is that of the user; the callback itself is a copy, so that nothing of the fit stays in it."""
    losses = []
    notes = Notes(losses)
    fitted = dense(net_params=told(("notes", notes) if named else notes)).fit(digits[0])
    assert losses == [row["train_loss"] for row in fitted.net_.history]
    assert vars(notes) == {"losses": losses}


def test_callbacks_of_partial_fit_stay(digits):
    """With callbacks partial_fit goes on with the net, and its optimizer, that it has; with others it makes a new one."""
    losses = []
    autoencoder = dense(net_params=told(Notes(losses))).partial_fit(digits[0])
    net = autoencoder.net_
    assert autoencoder.partial_fit(digits[0]).net_ is net
    assert len(losses) == 2
    autoencoder.net_params["callbacks"].append(Notes([]))
    assert autoencoder.partial_fit(digits[0]).net_ is not net


# ------------------------------------------------------------------------------------------------------------- TensorBoard


def scalars(folder):
    """Read back what a writer wrote: the number of values of each name, and the last of them."""
    events = EventAccumulator(str(folder)).Reload()
    return {name: (len(events.Scalars(name)), events.Scalars(name)[-1].value) for name in events.Tags()["scalars"]}


@makers
def test_tensorboard(make, digits, tmp_path):
    """Skorch's callback writes the losses of every epoch, through a writer whose file is open."""
    fitted = make(net_params=told(TensorBoard(SummaryWriter(tmp_path)))).fit(digits[0])
    last = fitted.net_.history[-1]
    found = scalars(tmp_path)
    assert found == {f"Loss/{name}": (4, pytest.approx(last[name])) for name in ("train_loss", "valid_loss")}


class Board(TensorBoard):
    """Write each fit into a folder of its own: an open writer could be neither cloned nor pickled."""

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        self.writer = SummaryWriter(tempfile.mkdtemp(dir=self.writer))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_tensorboard_in_a_search(n_jobs, digits, tmp_path):
    """A callback that opens its own writer goes through a search, which clones it, and leaves a folder for each fit."""
    estimator = dense(early_stopping=False, net_params=told(Board(tmp_path)))
    search = GridSearchCV(estimator, {"max_iter": [1, 2]}, cv=2, n_jobs=n_jobs, error_score="raise").fit(digits[0])
    epochs = sorted(scalars(one)["Loss/train_loss"][0] for one in tmp_path.iterdir())
    assert epochs == sorted([1, 1, 2, 2, search.best_params_["max_iter"]])
    assert pickle.loads(pickle.dumps(search.best_estimator_)).n_iter_ == epochs[-1]


# ------------------------------------------------------------------------------------------------- scikit-learn's callbacks


def explained(autoencoder, X, y=None):
    """Score for a monitor."""
    return {"explained": autoencoder.score(X)}


@makers
def test_monitor_and_bar_together(make, digits, capsys):
    """A monitor on the autoencoder and a bar on the pipeline around it both see every epoch."""
    monitor = ScoringMonitor(scoring=explained)
    pipeline = Pipeline([("ae", make().set_callbacks(monitor)), ("clf", LogisticRegression(max_iter=500))])
    pipeline.set_callbacks(ProgressBar()).fit(*digits)
    scores = monitor.get_logs().data_as_pandas.query("task_name == 'epoch'")["explained"]
    assert len(scores) == 4
    assert scores.is_monotonic_increasing
    shown = capsys.readouterr().out
    assert "Pipeline" in shown
    assert type(pipeline["ae"]).__name__ in shown


# ------------------------------------------------------------------------------------------------------------------ Optuna


@pytest.fixture
def study():
    """Make studies that say nothing; Optuna's own level of messages is put back."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield lambda **settings: optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), **settings)
    optuna.logging.set_verbosity(before)


def test_a_study_searches_a_pipeline(study, digits):
    """Optuna proposes parameters, cross-validation judges them, and the best are among those proposed."""

    def accuracy(trial):
        autoencoder = dense().set_params(n_components=trial.suggest_int("n_components", 1, 16, log=True))
        classifier = LogisticRegression(C=trial.suggest_float("C", 0.1, 10, log=True), max_iter=500)
        return cross_val_score(Pipeline([("ae", autoencoder), ("clf", classifier)]), *digits, cv=2).mean()

    found = study(direction="maximize")
    found.optimize(accuracy, n_trials=4)
    values = [trial.value for trial in found.trials]
    assert found.best_value == max(values) > 0.6
    assert len(set(values)) > 1


class Pruning(Callback):
    """Report each epoch, and give up where a trial has no prospects."""

    def __init__(self, trial):
        self.trial = trial

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        self.trial.report(net.history[-1, "valid_loss"], step=len(net.history))
        if self.trial.should_prune():
            raise optuna.TrialPruned


def test_trials_are_pruned_from_within_a_fit(study, digits):
    """A callback that raises Optuna's exception ends a trial in its second epoch, and the study goes on."""

    def loss(trial):
        rate = trial.suggest_categorical("rate", [1e-2, 1e-7])
        return dense(learning_rate_init=rate, net_params=told(Pruning(trial))).fit(digits[0]).best_loss_

    found = study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2))
    for rate in (1e-2, 1e-7, 1e-2):
        found.enqueue_trial({"rate": rate})
    found.optimize(loss, n_trials=3)
    good, bad, last = found.trials
    assert bad.state == optuna.trial.TrialState.PRUNED
    assert max(bad.intermediate_values) == 2
    assert good.value == last.value == found.best_value


# -------------------------------------------------------------------------------------------------------- pandas and polars


@makers
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_go_in_and_come_out(make, library, digits):
    """Tables of both give the codes of the array; set_output gives tables with the names of get_feature_names_out."""
    X = digits[0]
    names = [f"pixel {number}" for number in range(X.shape[1])]
    table = (
        pd.DataFrame(X, columns=names, index=np.arange(len(X)) + 7) if library == "pandas" else pl.DataFrame(X, schema=names)
    )
    fitted = make().fit(table)
    expected = fitted.transform(table)
    assert_array_equal(fitted.feature_names_in_, names)
    assert_allclose(expected, make().fit(X).transform(X), atol=1e-4)  # columns lie in another order in memory
    found = clone(fitted).set_output(transform=library).fit(table).transform(table)
    assert isinstance(found, (pd if library == "pandas" else pl).DataFrame)
    assert list(found.columns) == fitted.get_feature_names_out().tolist()
    assert_array_equal(found.to_numpy(), expected)
    if library == "pandas":
        assert_array_equal(found.index, table.index)
    assert_array_equal(fitted.inverse_transform(found), fitted.inverse_transform(expected))
