"""Benchmark of more epochs: test errors of the default and of the largest number of epochs."""

from _benchmarks import matching
from _style import BLUE, GRAY, new_figure, save


def draw(path):
    """Plot the ratio of test errors to that of PCA for each table."""
    default, most = (matching(f"more_epochs/tables/*/{name}") for name in ("default", "most"))
    names = sorted(default, key=default.get)
    positions = range(len(names))
    figure, ax = new_figure(6, 0.6 + 0.28 * len(names))
    ax.axvline(1, color=GRAY, linestyle="--")
    ax.plot([default[name] for name in names], positions, "o", color=GRAY, label="default")
    ax.plot([most[name] for name in names], positions, "o", color=BLUE, label="300 epochs")
    ax.set_yticks(positions, [name.replace("_", " ") for name in names])
    ax.set_xlabel("test error / PCA's")
    ax.legend()
    save(figure, path)
