"""Anomaly scores of the time steps of a series with a frozen sensor."""

import numpy as np
from _style import BLUE, GRAY, RED, new_figure, save

from skae import ConvAutoencoder, ReconstructionDetector
from skae.datasets import average_windows, sliding_windows

LENGTH, FAULT = 64, slice(300, 360)


def draw(path):
    """Draw two channels, and the score of each time step.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    rng = np.random.default_rng(0)
    time = np.arange(4600)
    series = np.stack([1000 * np.sin(time / 8), 0.01 * np.cos(time / 8) ** 3], axis=1)
    series += rng.normal(scale=[100, 0.001], size=series.shape)
    autoencoder = ConvAutoencoder(4, signals=True, max_iter=100, early_stopping=False)
    detector = ReconstructionDetector(autoencoder, random_state=0)
    detector.fit(sliding_windows(series[:4000], LENGTH, step=LENGTH))
    test = series[4000:].copy()
    test[FAULT, 1] = test[FAULT.start, 1]
    scores = -detector.score_samples(sliding_windows(test, LENGTH))
    per_step = average_windows(scores, LENGTH)
    figure, axes = new_figure(7, 4.2, nrows=3, sharex=True)
    for ax, values, label in zip(axes, test.T, ["current", "vibration"], strict=False):
        ax.plot(values, color=GRAY)
        ax.set_ylabel(label)
    axes[2].plot(per_step, color=BLUE)
    axes[2].axhline(-detector.offset_, color=RED, linestyle="--")
    axes[2].text(1, -detector.offset_, "threshold", color=RED, va="bottom")
    axes[2].set(xlabel="time step", ylabel="anomaly score", xlim=(0, len(test)))
    for ax in axes:
        ax.axvspan(FAULT.start, FAULT.stop, color=RED, alpha=0.15, lw=0)
    figure.align_ylabels(axes)
    save(figure, path)
