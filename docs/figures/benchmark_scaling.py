"""Benchmark of memory and scaling: fit time against the number of samples, and peak memory."""

from _benchmarks import ENTRIES, matching, value
from _style import BLUE, GRAY, GREEN, ORANGE, new_figure, save

MEMORY = {
    "dense": "Dense, 60,000 images",
    "conv": "Conv, 60,000 images",
    "large": "Conv, large images",
    "large-file": "Conv, large images, file",
    "gray-file": "Conv, larger images, file",
    "file": "Dense, 20 GB file",
}


def draw(path):
    """Plot fit times on logarithmic axes and peaks as bars."""
    figure, (left, right) = new_figure(7.5, 3.2, ncols=2)
    for kind, label, color in (
        ("table", "table, 32 features", BLUE),
        ("wide", "table, 784 features", ORANGE),
        ("images", "200 images", GREEN),
    ):
        times = matching(f"scaling/{kind}/*/fit_time")
        pca = matching(f"scaling/{kind}/*/pca_fit_time")
        left.plot(list(times), list(times.values()), "o-", color=color, label=label)
        left.plot(list(pca), list(pca.values()), ".:", color=color)
    left.plot([], [], ".:", color=GRAY, label="PCA")
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_xlabel("samples of a table, pixels of an image")
    left.set_ylabel("fit time in seconds")
    left.legend(fontsize=8, loc="upper left")
    left.set_ylim(None, 3e3)
    names = [name for name in MEMORY if f"memory/{name}/fit_peak" in ENTRIES][::-1]
    peaks = [value(f"memory/{name}/fit_peak") for name in names]
    right.barh([MEMORY[name] for name in names], peaks, color=BLUE)
    right.set_xlabel("peak memory of a fit in MB, without data")
    save(figure, path)
