"""Benchmark of classification with few labels: accuracy of an SVC by features."""

from _benchmarks import value
from _style import BLUE, GRAY, GREEN, ORANGE, PURPLE, new_figure, save

FEATURES = {
    "pixels": ("raw pixels", GRAY),
    "pca-16": ("PCA(16)", GREEN),
    "dense-16": ("DenseAutoencoder(16)", BLUE),
    "conv-16": ("ConvAutoencoder(16)", ORANGE),
    "variational-16": ("ConvAutoencoder(16), variational", PURPLE),
}


def draw(path):
    """Plot groups of bars for MNIST and Fashion-MNIST."""
    figure, ax = new_figure(6.5, 3)
    width = 0.16
    for i, (name, (label, color)) in enumerate(FEATURES.items()):
        scores = [
            value(f"few_labels/{data}/10-labels/{name}/svc") for data in ("mnist", "fashion-mnist")
        ]
        positions = [group + (i - 2) * width for group in range(2)]
        bars = ax.bar(positions, scores, width * 0.9, color=color, label=label)
        ax.bar_label(bars, [f"{score:.2f}" for score in scores], fontsize=8)
    ax.set_xticks(range(2), ["MNIST", "Fashion-MNIST"])
    ax.set_ylim(0, 1.25)
    ax.set_ylabel("test accuracy of an SVC")
    ax.legend(fontsize=8, ncols=2, loc="upper center")
    save(figure, path)
