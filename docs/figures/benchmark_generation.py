"""Benchmark of generated samples: Fréchet distance by autoencoder and density."""

from _benchmarks import ENTRIES, value
from _style import BLUE, GRAY, GREEN, ORANGE, RED, new_figure, save

AUTOENCODERS = {
    "conv": "ConvAutoencoder",
    "variational": "ConvAutoencoder, variational",
    "dense": "DenseAutoencoder",
    "pythae_ae": "Pythae AE",
    "pythae_vae_bce": "Pythae VAE, bce",
    "pythae_vae": "Pythae VAE",
    "pca": "PCA",
}
DENSITIES = {
    "default": ("default density of LatentSampler", BLUE, "o"),
    "gmm10": ("GaussianMixture(10)", ORANGE, "s"),
    "gaussian": ("Gaussian", GREEN, "D"),
    "prior": ("prior", RED, "^"),
}


def draw(path):
    """Plot the distances of generated images and of reconstructions for MNIST."""
    figure, ax = new_figure(6.5, 3.6)
    measured = [n for n in AUTOENCODERS if f"generate/mnist/{n}/default/frechet" in ENTRIES]
    names = measured[::-1]
    bounds = [value(f"generate/mnist/{name}/reconstructions") for name in names]
    ax.plot(bounds, range(len(names)), "|", color=GRAY, markersize=12, label="reconstructions")
    for density, (label, color, marker) in DENSITIES.items():
        keys = {name: f"generate/mnist/{name}/{density}/frechet" for name in names}
        points = [(value(key), names.index(name)) for name, key in keys.items() if key in ENTRIES]
        if points:
            ax.plot(*zip(*points, strict=True), marker, color=color, label=label)
    ax.set_xscale("log")
    ax.set_yticks(range(len(names)), [AUTOENCODERS[name] for name in names])
    ax.set_xlabel("Fréchet distance to the test images (lower is better)")
    ax.grid(axis="y", alpha=0.3)
    figure.legend(fontsize=8, loc="outside upper center", ncols=3)
    save(figure, path)
