"""Draw the latent space of a variational autoencoder: posteriors, prior, and decoded samples."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from _drawing import COLORS, figure, mosaic
from matplotlib.patches import Circle, Ellipse
from scipy.stats import norm
from sklearn.datasets import load_digits

from skae import DenseAutoencoder
from skae.bottlenecks import Variational

N_ELLIPSES = 150
N_GRID = 9


def draw(path):
    """Fit digits with two latent dimensions; draw posteriors, and decode a grid of the prior."""
    X, y = load_digits(return_X_y=True)
    autoencoder = DenseAutoencoder(2, bottleneck=Variational(weight=1.0), random_state=0).fit(X)
    network = autoencoder.net_.module_
    with torch.no_grad():
        rows = torch.from_numpy(X[:N_ELLIPSES])
        means, hidden = network.code(network.prepare(rows))
        deviations = (network.bottleneck.log_variance(hidden) / 2).exp()
    with figure(path, 2, width=9.0, height=4.2) as (_, (left, right)):
        colors = plt.get_cmap("tab10")(y[:N_ELLIPSES])
        for mean, deviation, color in zip(means, deviations, colors, strict=True):
            width, height = (2 * deviation).tolist()
            left.add_patch(Ellipse(mean.tolist(), width, height, facecolor=color, alpha=0.55))
        for radius in (1, 2):
            left.add_patch(
                Circle((0, 0), radius, fill=False, edgecolor=COLORS["gray"], linestyle="--")
            )
        left.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
        left.set(xlabel="latent dimension 1", ylabel="latent dimension 2")
        left.set_title("posteriors of samples, and the prior (dashed)")
        quantiles = norm.ppf((np.arange(N_GRID) + 0.5) / N_GRID)
        grid = np.stack(np.meshgrid(quantiles, quantiles[::-1]), -1).reshape(-1, 2)
        images = autoencoder.inverse_transform(grid).reshape(-1, 8, 8)
        right.imshow(mosaic(images, N_GRID), cmap="gray_r")
        right.axis("off")
        right.set_title("decoded grid of quantiles of the prior")
