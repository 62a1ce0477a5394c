"""Card of the landing page: anomaly scores of generated machine data with two faults."""

import numpy as np
from _style import BLUE, GRAY, RED, new_figure, save

from skae import DenseAutoencoder, ReconstructionDetector


def sensors(n_samples, random_state):
    """Return six sensors that depend on load and temperature.

    Parameters
    ----------
    n_samples : int
        Number of samples.
    random_state : Generator
        Of the noise.

    Returns
    -------
    X : ndarray of shape (n_samples, 6)
        One sample a minute.
    """
    time = np.arange(n_samples)
    load = 1 + 0.5 * np.sin(time / 25) + random_state.normal(scale=0.1, size=n_samples)
    heat = 1 + 0.4 * np.sin(time / 60 + 1)
    X = np.stack([load, load**2, load * heat, heat, np.sqrt(load + heat), heat**2], axis=1)
    return X + random_state.normal(scale=0.03, size=X.shape)


def draw(path):
    """Plot the score of each minute. The faults are decoupled sensors.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    random_state = np.random.default_rng(0)
    X_train, X = sensors(1500, random_state), sensors(400, random_state)
    is_fault = np.zeros(len(X), bool)
    is_fault[120:140] = is_fault[300:330] = True
    X[120:140, 2] -= 0.4
    X[300:330, 4] += 0.25
    autoencoder = DenseAutoencoder(2, max_iter=30, random_state=0)
    scores = -ReconstructionDetector(autoencoder, random_state=0).fit(X_train).score_samples(X)
    figure, ax = new_figure(3.6, 2.4)
    time = np.arange(len(X))
    ax.plot(time, scores, color=BLUE, lw=0.8)
    ax.scatter(time[is_fault], scores[is_fault], color=RED, s=8, label="fault", zorder=3)
    ax.set(xlabel="minute", ylabel="anomaly score", yticks=[])
    ax.legend(loc="upper left", labelcolor=GRAY)
    save(figure, path)
