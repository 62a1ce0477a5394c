"""Draw vector quantization with two latent dimensions: samples, codebook vectors and cells."""

import torch
from _drawing import COLORS, figure, mosaic
from scipy.spatial import Voronoi, voronoi_plot_2d
from sklearn.datasets import load_digits

from skae import DenseAutoencoder
from skae.bottlenecks import Quantized


def draw(path):
    """Fit digits with one codebook, and draw the vectors before and after quantization."""
    X, y = load_digits(return_X_y=True)
    bottleneck = Quantized(codebook_size=32)
    autoencoder = DenseAutoencoder(2, bottleneck=bottleneck, random_state=0).fit(X)
    network = autoencoder.net_.module_
    with torch.no_grad():
        z = network.latents(network.centre(torch.from_numpy(X)))
        before = (network.bottleneck.grouped(z)[0] * network.centre.scale).numpy()
    vectors = autoencoder.codebooks_[0]
    images = autoencoder.inverse_transform(vectors).reshape(-1, 8, 8)
    with figure(path, 2, width=9.0, height=4.0, width_ratios=[1.15, 1]) as (_, (left, right)):
        left.scatter(*before.T, c=y, cmap="tab10", s=5, alpha=0.45, linewidths=0, rasterized=True)
        voronoi_plot_2d(
            Voronoi(vectors),
            ax=left,
            show_points=False,
            show_vertices=False,
            line_colors=COLORS["gray"],
            line_width=0.7,
        )
        left.scatter(*vectors.T, s=36, color=COLORS["red"], edgecolors="white", linewidths=0.8)
        low, high = before.min(0), before.max(0)
        left.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        left.set(xlabel="latent dimension 1", ylabel="latent dimension 2")
        left.set_title("encoder outputs, and 32 codebook vectors (red)")
        right.imshow(mosaic(images, 8), cmap="gray_r")
        right.axis("off")
        right.set_title("the 32 decoded codebook vectors")
