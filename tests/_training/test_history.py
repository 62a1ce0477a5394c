"""History of a fit: losses, seconds and learning rate of each epoch."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import make_pipeline
from skorch.callbacks import LRScheduler

from skae import ConvAutoencoder, DenseAutoencoder
from skae._training.learning_rate import learning_rate_factor
from skae.export import load, save

COLUMNS = ["epoch", "train_loss", "validation_loss", "seconds", "learning_rate"]


def dense(**parameters):
    """Return a small autoencoder of tables."""
    return DenseAutoencoder(**{"n_components": 2, "max_iter": 12, "random_state": 0, **parameters})


def without_seconds(history):
    """Return a history without the column that differs between equal fits."""
    return {name: values for name, values in history.items() if name != "seconds"}


FITS = {
    "folds": lambda X: dense().fit(X),
    "one-validation-set": lambda X: dense(validation_fraction=0.2).fit(X),
    "X_val": lambda X: dense().fit(X, X_val=X[:20]),
    "images": lambda X: ConvAutoencoder(2, max_iter=12, random_state=0).fit(X),
}


@pytest.mark.parametrize("name", FITS)
def test_history_has_a_row_for_each_epoch(name, rows):
    """All columns are float64 of one length, begin with the initial network, and match other attributes."""
    fitted = FITS[name](rows)
    frame = pd.DataFrame(fitted.history_)
    assert list(frame.columns) == COLUMNS
    assert (frame.dtypes == np.float64).all()
    np.testing.assert_array_equal(frame["epoch"], np.arange(fitted.n_iter_ + 1))
    np.testing.assert_array_equal(frame["train_loss"][1:], fitted.loss_curve_)
    assert frame.loc[0, ["train_loss", "learning_rate"]].isna().all()
    assert frame["seconds"][0] == 0
    assert (frame["seconds"][1:] > 0).all()


@pytest.mark.parametrize("name", FITS)
def test_validation_losses_are_those_of_evaluations(name, rows):
    """Epochs without an evaluation are NaN; no value is repeated, and units are those of best_loss_."""
    fitted = FITS[name](rows)
    frame = pd.DataFrame(fitted.history_)
    known = frame[frame["validation_loss"].notna()]
    assert known["epoch"].tolist() == fitted.validation_iters_
    assert len(known) < len(frame)
    shares = 1 - known["validation_loss"] / known["validation_loss"].iloc[0]
    explained = np.array(fitted.validation_scores_)
    expected = (explained - explained[0]) / (1 - explained[0])
    np.testing.assert_allclose(shares, expected, rtol=1e-5, atol=1e-7)
    selected = known.set_index("epoch").loc[fitted.best_iter_, "validation_loss"]
    assert fitted.best_loss_ <= selected * (1 + 1e-6)


def test_history_without_a_validation_set(rows):
    """The first row is epoch 1, and all validation losses are NaN."""
    fitted = dense(early_stopping=False).fit(rows)
    np.testing.assert_array_equal(fitted.history_["epoch"], np.arange(1, 13))
    assert np.isnan(fitted.history_["validation_loss"]).all()
    np.testing.assert_array_equal(fitted.history_["train_loss"], fitted.loss_curve_)


def test_learning_rates_are_those_of_the_last_step_of_each_epoch(rows):
    """They follow the schedule of fit, or that of a scheduler among the callbacks."""
    fitted = dense(early_stopping=False, batch_size=20).fit(rows)
    factors = [learning_rate_factor(3 * epoch - 1, 36, 0.25) for epoch in range(1, 13)]
    expected = fitted.learning_rate_init_ * np.array(factors)
    np.testing.assert_allclose(fitted.history_["learning_rate"], expected)
    scheduler = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=4, gamma=0.5)
    fitted = dense(early_stopping=False, net_params={"callbacks": [scheduler]}).fit(rows)
    expected = fitted.learning_rate_init_ * 0.5 ** (np.arange(12) // 4)
    np.testing.assert_allclose(fitted.history_["learning_rate"], expected)


def test_partial_fit_appends_epochs(rows):
    """Passes are counted on, after a fit as well, at a constant learning rate."""
    passes = dense()
    for _ in range(3):
        passes.partial_fit(rows)
    history = passes.history_
    np.testing.assert_array_equal(history["epoch"], [1, 2, 3])
    np.testing.assert_array_equal(history["train_loss"], passes.loss_curve_)
    np.testing.assert_allclose(history["learning_rate"], passes.learning_rate_init_)
    fitted = dense().fit(rows)
    n_iter = fitted.n_iter_
    fitted.partial_fit(rows)
    np.testing.assert_array_equal(fitted.history_["epoch"], np.arange(n_iter + 2))
    assert np.isnan(fitted.history_["validation_loss"][-1])


def test_warm_start_begins_a_history(rows):
    """The history is that of the last call of fit, as loss_curve_ is."""
    fitted = dense(warm_start=True).fit(rows)
    first = fitted.history_
    fitted.fit(rows)
    np.testing.assert_array_equal(fitted.history_["epoch"], np.arange(fitted.n_iter_ + 1))
    assert fitted.history_["validation_loss"][0] <= first["validation_loss"][0]


def test_a_finished_fit_has_the_history_of_its_checkpoint(rows, tmp_path):
    """The second call trains nothing, and has all columns of the first one."""
    first = dense(checkpoint_dir=tmp_path).fit(rows)
    second = dense(checkpoint_dir=tmp_path).fit(rows)
    np.testing.assert_equal(second.history_, first.history_)


def test_history_is_reproducible_and_is_kept(rows, tmp_path):
    """Equal fits differ in the seconds alone; pickles, files and pipelines keep all columns."""
    fitted = dense().fit(rows)
    again = make_pipeline(dense()).fit(rows)[-1]
    np.testing.assert_equal(without_seconds(again.history_), without_seconds(fitted.history_))
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_equal(back.history_, fitted.history_)
    save(fitted, tmp_path / "x")
    np.testing.assert_equal(load(tmp_path / "x").history_, fitted.history_)
