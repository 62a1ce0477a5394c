"""Card of the landing page: missing values of a curve, imputed by an autoencoder of 300 other curves."""

import numpy as np
from _style import BLUE, GRAY, ORANGE, new_figure, save

from skae import DenseAutoencoder


def draw(path):
    """Plot a test curve, its observed values and its imputed values.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    random_state = np.random.default_rng(0)
    x = np.linspace(0, 1, 60)
    centers = random_state.uniform(0.25, 0.75, size=(350, 1))
    widths = random_state.uniform(0.06, 0.15, size=(350, 1))
    clean = np.exp(-0.5 * ((x - centers) / widths) ** 2) + 0.5 * x
    X = clean + random_state.normal(scale=0.01, size=clean.shape)
    for row, start in zip(X, random_state.integers(0, 45, size=len(X)), strict=True):
        row[start : start + 15] = np.nan
    autoencoder = DenseAutoencoder(2, allow_nan=True, random_state=0).fit(X[:-50])
    test = X[-50:]
    X_hat = autoencoder.reconstruct(test)
    # the curve with most of its height missing
    missing = np.isnan(test)
    index = np.argmax((clean[-50:] * missing).sum(1))
    figure, ax = new_figure(3.6, 2.4)
    ax.plot(x, clean[-50:][index], color=GRAY, lw=1, label="true curve")
    ax.plot(x, test[index], "o", color=BLUE, ms=3, label="observed")
    hidden = missing[index]
    ax.plot(x[hidden], X_hat[index][hidden], "o", color=ORANGE, ms=3, label="imputed")
    ax.set(xticks=[], yticks=[])
    ax.legend(labelcolor=GRAY, fontsize=8)
    save(figure, path)
