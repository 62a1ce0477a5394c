"""The two parts of the anomaly score, for two anomalies near a curve."""

import numpy as np
from _style import BLUE, GRAY, ORANGE, PURPLE, RED, new_figure, save

from skae.anomaly._tail_probability import TailProbability


def curve(t):
    """Return points of the curve that an autoencoder with one latent dimension reconstructs."""
    return np.stack([t, 0.6 * np.sin(1.6 * t)], -1)


def log_tail(values, normal):
    """Return negative log tail probabilities of values among normal values."""
    weights = np.ones(len(normal))
    return TailProbability.fit(normal, weights)(values)


def draw(path):
    """Plot samples with a curve of reconstructions, and the parts of their scores.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    generator = np.random.default_rng(3)
    latent = generator.uniform(-2.2, 1.2, 150)
    X = curve(latent) + generator.normal(scale=0.07, size=(150, 2))
    outliers = np.array([[-0.6, 0.75], [2.6, curve(np.array(2.6))[1] + 0.06]])
    figure, (left, right) = new_figure(7.4, 3.1, ncols=2, width_ratios=[1.25, 1])
    t = np.linspace(-2.4, 2.9, 300)
    left.plot(*curve(t).T, color=GRAY, lw=1, label="reconstructions")
    left.scatter(*X.T, s=9, color=BLUE, label="normal samples")
    grid = curve(t)
    samples = np.concatenate([X, outliers])
    distances = np.linalg.norm(samples[:, None] - grid, axis=-1)
    nearest = distances.argmin(1)
    errors = distances.min(1) ** 2
    gaps = np.sort(np.linalg.norm(samples[:, None] - X, axis=-1), axis=1)
    isolation = np.concatenate([gaps[:150, 1:6].mean(1), gaps[150:, :5].mean(1)])
    errors = log_tail(errors, errors[:150])
    isolation = log_tail(isolation, isolation[:150])
    for i, (name, color) in enumerate([("A", RED), ("B", PURPLE)]):
        point = samples[150 + i]
        left.scatter(*point, s=55, color=color, marker="X", zorder=3)
        left.annotate(name, point, (8, 4), textcoords="offset points", color=color, size=11)
        right.scatter(errors[150 + i], isolation[150 + i], s=55, color=color, marker="X", zorder=3)
        position = (errors[150 + i], isolation[150 + i])
        right.annotate(name, position, (7, 5), textcoords="offset points", color=color, size=11)
    left.plot(*np.stack([samples[150], grid[nearest[150]]]).T, color=RED, ls=":", lw=1.2)
    start = curve(np.array(latent.max()))
    left.annotate(
        "",
        samples[151],
        start,
        arrowprops={
            "arrowstyle": "<->",
            "color": PURPLE,
            "ls": ":",
            "connectionstyle": "arc3,rad=-.4",
        },
    )
    left.set(xlabel="feature 1", ylabel="feature 2", xticks=[], yticks=[])
    left.set(ylim=(-0.85, 1.35))
    left.legend(loc="upper right", fontsize=8)
    right.scatter(errors[:150], isolation[:150], s=9, color=BLUE)
    scores = np.sqrt((errors**2 + 2 * isolation**2) / 3)
    threshold = np.quantile(scores[:150], 0.98)
    x = np.linspace(0, np.sqrt(3) * threshold, 300)
    y = np.sqrt(np.maximum(3 * threshold**2 - x**2, 0) / 2)
    right.plot(x, y, color=ORANGE, ls="--", label="threshold")
    right.set(
        xlim=(0, None),
        ylim=(0, None),
        xlabel="a: reconstruction error",
        ylabel="b: neighbor distance",
    )
    right.legend(loc="upper right", fontsize=8)
    save(figure, path)
