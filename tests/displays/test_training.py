"""TrainingDisplay: losses, scores and the best epoch."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skae import DenseAutoencoder, TrainingDisplay

from ..cases import low_rank
from .data import QUICK

pytestmark = pytest.mark.usefixtures("closed_figures")


def test_training_shows_losses_scores_initial_score_and_best_epoch(table):
    """Lines have the values of fitted attributes, and both panels mark the best epoch."""
    display = TrainingDisplay.from_estimator(table)
    assert display.axes_.shape == (2,)
    np.testing.assert_array_equal(display.loss_line_.get_ydata(), table.loss_curve_)
    np.testing.assert_array_equal(display.loss_line_.get_xdata(), [1, 2])
    np.testing.assert_array_equal(display.score_line_.get_ydata(), table.validation_scores_)
    assert set(display.start_line_.get_ydata()) == {table.validation_scores_[0]}
    assert display.start_line_.get_label() == "PCA"
    np.testing.assert_array_equal(display.score_line_.get_xdata(), table.validation_iters_)
    assert [set(line.get_xdata()) for line in display.best_lines_] == [{table.best_iter_}] * 2
    assert display.best_point_.get_xydata().tolist() == [
        [table.best_iter_, table.best_validation_score_]
    ]
    assert display.axes_[1].get_xlabel() == "Epoch"


def test_training_without_validation_set_has_one_panel():
    """Without validation scores only losses are plotted; a random initial network is not named PCA."""
    X = low_rank(60, 8)
    display = TrainingDisplay.from_estimator(
        DenseAutoencoder(3, early_stopping=False, **QUICK).fit(X)
    )
    assert display.axes_.shape == (1,)
    assert display.score_line_ is None
    random = TrainingDisplay.from_estimator(DenseAutoencoder(3, init="random", **QUICK).fit(X))
    assert random.start_line_.get_label() == "initial network"
    with pytest.raises(
        TypeError, match="Got PCA, but TrainingDisplay expected an estimator with loss_curve_"
    ):
        TrainingDisplay.from_estimator(PCA(2).fit(X))
