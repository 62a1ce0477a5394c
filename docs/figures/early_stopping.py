"""Plot training and validation loss of each epoch, and the epoch that early stopping selects."""

import numpy as np
from _drawing import COLORS, figure
from sklearn.datasets import load_digits

from skae import DenseAutoencoder


def draw(path):
    """Fit a few digits for too many epochs, and plot both losses relative to the variance."""
    X = load_digits().data[:600]
    # with callbacks, even none, the validation loss of every epoch is computed
    autoencoder = DenseAutoencoder(
        8, max_iter=160, net_params={"callbacks": []}, random_state=0
    ).fit(X)
    training = np.array(autoencoder.loss_curve_) / X.var(0).mean()
    validation = 1 - np.array(autoencoder.validation_scores_)
    with figure(path, width=7.0, height=3.2) as (_, axes):
        epochs = np.arange(1, len(training) + 1)
        axes.plot(epochs, training, color=COLORS["blue"], label="training loss")
        axes.plot(
            autoencoder.validation_iters_,
            validation,
            color=COLORS["orange"],
            label="validation loss",
        )
        axes.axhline(validation[0], color=COLORS["gray"], linestyle="--", label="PCA (epoch 0)")
        axes.plot(
            autoencoder.best_iter_,
            1 - autoencoder.best_validation_score_,
            "o",
            color=COLORS["green"],
            label="selected weights",
        )
        axes.set(
            xlabel="epoch", ylabel="loss / variance of X", xlim=(0, len(training)), ylim=(0, None)
        )
        axes.legend(ncols=2, loc="upper right", bbox_to_anchor=(1, 0.92))
