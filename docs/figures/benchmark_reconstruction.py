"""Benchmark of the reconstruction error: ratios to PCA for tables."""

from _benchmarks import matching
from _style import BLUE, GRAY, new_figure, save


def draw(path):
    """Plot the ratio of test errors for each table, sorted by the ratio."""
    bundled = matching("against_pca/bundled/*/quarter/ratio")
    tables = matching("against_pca/tables/*/quarter/ratio")
    points = [(ratio, f"{name} (scikit-learn)") for name, ratio in bundled.items()]
    points += [(ratio, name) for name, ratio in tables.items()]
    points.sort(reverse=True)
    figure, ax = new_figure(6.5, 0.19 * len(points) + 0.8)
    positions = range(len(points))
    ratios = [ratio for ratio, _ in points]
    ax.hlines(positions, ratios, 1, color=BLUE, alpha=0.4)
    ax.plot(ratios, positions, "o", color=BLUE, markersize=5)
    ax.axvline(1, color=GRAY, linestyle="--")
    ax.text(1.01, len(points) - 1, "PCA", va="center")
    ax.set_yticks(positions, [name.replace("_", " ") for _, name in points])
    ax.set_xlim(0, 1.12)
    ax.set_xlabel("test error / test error of PCA")
    save(figure, path)
