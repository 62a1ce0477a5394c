"""Benchmark of features of images: accuracy by the numbers of labels and of latent dimensions."""

from _benchmarks import ENTRIES, value
from _style import BLUE, GRAY, GREEN, ORANGE, new_figure, save

PREFIX = "image_codes/fashion-mnist"
LABELS = {100: "few_svc", 1000: "svc_1000", 10_000: "svc"}
SIZES = (8, 16, 32, 64, 128, 256)
METHODS = {
    "pca": ("PCA", GREEN),
    "conv": ("ConvAutoencoder", ORANGE),
    "patches": ('ConvAutoencoder(features="patches")', BLUE),
}


def draw(path):
    """Plot accuracies against the number of labels, and against the number of latent dimensions."""
    figure, (left, right) = new_figure(8, 3.2, ncols=2, sharey=True)
    for method, (label, color) in METHODS.items():
        scores = [value(f"{PREFIX}/{method}-64/{column}") for column in LABELS.values()]
        left.plot(list(LABELS), scores, "o-", color=color, label=label)
        keys = {k: f"{PREFIX}/{method}-{k}/svc" for k in SIZES}
        measured = {k: value(key) for k, key in keys.items() if key in ENTRIES}
        right.plot(list(measured), list(measured.values()), "o-", color=color)
    scores = [value(f"{PREFIX}/raw/{column}") for column in LABELS.values()]
    left.plot(list(LABELS), scores, "o--", color=GRAY, label="all pixels")
    right.axhline(scores[-1], color=GRAY, linestyle="--")
    left.set_xscale("log")
    left.set_xticks(list(LABELS), [f"{n:,}" for n in LABELS])
    right.set_xscale("log", base=2)
    right.set_xticks(list(measured), [str(k) for k in measured])
    left.set_xlabel("number of labels")
    right.set_xlabel("number of latent dimensions")
    left.set_ylabel("test accuracy")
    left.legend(fontsize=8)
    save(figure, path)
