"""Latent vectors of three clusters: samples of one Gaussian and of a mixture."""

import numpy as np
from _style import BLUE, GRAY, ORANGE, new_figure, save
from sklearn.mixture import GaussianMixture


def draw(path):
    """Plot latent vectors with samples of both densities.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    generator = np.random.default_rng(0)
    centers = np.array([[-2, -1], [2, -1.3], [0.2, 2.2]])
    Z = np.concatenate([center + generator.normal(scale=0.45, size=(120, 2)) for center in centers])
    bend = generator.uniform(0, np.pi, 120)
    Z[:120] = centers[0] + np.stack([np.cos(bend), 1.3 * np.sin(bend)], 1)
    Z[:120] += generator.normal(scale=0.12, size=(120, 2))
    figure, axes = new_figure(7, 3.1, ncols=2, sharex=True, sharey=True)
    titles = ["one Gaussian", "mixture of 8 Gaussians"]
    for ax, n_gaussians, title in zip(axes, [1, 8], titles, strict=True):
        density = GaussianMixture(n_gaussians, reg_covar=1e-3, random_state=0).fit(Z)
        density.random_state = 1
        samples, _ = density.sample(150)
        ax.scatter(*Z.T, s=7, color=GRAY, alpha=0.6, label="latent vectors of X")
        ax.scatter(
            *samples.T,
            s=12,
            color=ORANGE if n_gaussians == 1 else BLUE,
            marker="x",
            label="samples",
        )
        ax.set(title=title, xlabel="latent dimension 1", xticks=[], yticks=[])
        ax.legend(loc="upper right", fontsize=8)
    axes[0].set(ylabel="latent dimension 2", ylim=(-4, 5.2))
    save(figure, path)
