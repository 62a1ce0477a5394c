"""Benchmark of imputation: error of five methods on each table."""

from _benchmarks import matching
from _style import BLUE, GRAY, GREEN, ORANGE, new_figure, save


def draw(path):
    """Plot the root mean squared error of missing cells, sorted by that of the autoencoder."""
    errors = {
        name: matching(f"impute/tables-random-20/*/{name}/rmse")
        for name in ("skae", "iterative", "iterative-trees", "knn", "mean")
    }
    tables = sorted(errors["skae"], key=errors["skae"].get)
    figure, ax = new_figure(6.5, 0.2 * len(tables) + 0.9)
    for name, label, color, marker in (
        ("mean", "mean", GRAY, "x"),
        ("knn", "KNNImputer", GREEN, "s"),
        ("iterative", "IterativeImputer", ORANGE, "D"),
        ("iterative-trees", "IterativeImputer, trees", GRAY, "^"),
        ("skae", "AutoencoderImputer", BLUE, "o"),
    ):
        values = [errors[name][table] for table in tables]
        ax.plot(values, range(len(tables)), marker, color=color, label=label, markersize=5)
    ax.set_yticks(range(len(tables)), [table.replace("_", " ") for table in tables])
    ax.grid(axis="y", alpha=0.3)
    ax.set_xlabel("RMSE of the missing cells in standard deviations")
    ax.legend(loc="lower right")
    save(figure, path)
