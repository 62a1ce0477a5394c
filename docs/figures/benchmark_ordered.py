"""Benchmark of ordered latents: error of the first k latent dimensions."""

from _benchmarks import matching
from _style import BLUE, GRAY, ORANGE, new_figure, save


def draw(path):
    """Plot the errors of prefixes of one ordered latent space, of PCA, and of separate autoencoders."""
    figure, ax = new_figure(6, 3.2)
    for name, label, style, color in (
        ("pca", "PCA", "--", GRAY),
        ("ordered", "one DenseAutoencoder, ordered", "-", BLUE),
        ("separate", "separate DenseAutoencoders", "o", ORANGE),
    ):
        errors = matching(f"ordered/fashion-mnist/dense/*/{name}")
        ax.plot(list(errors), list(errors.values()), style, color=color, label=label)
    ax.set_yscale("log")
    ax.set_xlabel("number of latent dimensions")
    ax.set_ylabel("test MSE, pixels in [0, 1]")
    ax.legend()
    save(figure, path)
