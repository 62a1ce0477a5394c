"""Benchmark of compression: error against bytes per image."""

from _benchmarks import matching, value
from _style import BLUE, GREEN, ORANGE, new_figure, save

CODECS = {
    "rate": ('ConvAutoencoder, penalty="rate"', BLUE, "o-"),
    "pca": ("PCA(256)", GREEN, "s-"),
    "webp": ("WebP", ORANGE, "D-"),
}


def draw(path):
    """Plot the curves of the codecs for two sets of images."""
    figure, axes = new_figure(7.5, 3, ncols=2, sharey=True)
    for ax, data, title in zip(
        axes, ("mnist", "fashion-mnist"), ("MNIST", "Fashion-MNIST"), strict=True
    ):
        for name, (label, color, style) in CODECS.items():
            prefix = f"compress/{data}/{name}"
            points = sorted(
                (value(f"{prefix}/{point}/codes"), value(f"{prefix}/{point}/mse"))
                for point in matching(f"{prefix}/*/codes")
                if point.startswith("point")
            )
            if points:
                ax.plot(*zip(*points, strict=True), style, color=color, label=label)
        ax.set_xscale("log")
        ax.set_title(title)
        ax.set_xlabel("bytes per image, without headers")
    axes[0].set_ylabel("test MSE, pixels in [0, 1]")
    axes[0].set_ylim(0, 0.012)
    axes[1].legend(fontsize=8)
    save(figure, path)
