"""Plot the effect of three penalties on the latent vectors of digits, and the rounding of a rate."""

import numpy as np
from _drawing import COLORS, figure
from sklearn.datasets import load_digits

from skae import DenseAutoencoder
from skae.penalties import Decorrelation, Rate, Sparsity

K = 8


def draw(path):
    """Fit digits without a penalty and with each of three, and plot latent vectors."""
    X = load_digits().data[:1000]

    def latents(penalty):
        autoencoder = DenseAutoencoder(K, penalty=penalty, random_state=0).fit(X)
        return autoencoder, autoencoder.transform(X)

    _, plain = latents(None)
    _, sparse = latents(Sparsity(weight=0.3))
    _, uncorrelated = latents(Decorrelation(weight=0.3))
    rated, rounded = latents(Rate(weight=0.5))
    with figure(path, 3, width=9.6, height=3.1) as (_, (left, middle, right)):
        bins = np.linspace(-3, 3, 61)
        for Z, color, name in ((plain, "gray", "no penalty"), (sparse, "blue", "sparsity")):
            values = (Z / np.sqrt(np.square(Z).mean(0))).ravel()
            left.hist(values, bins, density=True, color=COLORS[color], alpha=0.55, label=name)
        left.set(xlabel="latent value / root mean square", ylabel="density")
        left.legend(fontsize=8.5)
        left.set_title("sparsity")
        for Z, color, name in (
            (plain, "gray", "no penalty"),
            (uncorrelated, "orange", "decorrelation"),
        ):
            correlations = np.corrcoef(Z.T)[np.triu_indices(K, 1)]
            values = np.sort(np.abs(correlations))[::-1]
            middle.plot(np.arange(1, len(values) + 1), values, "o-", markersize=3)
            middle.lines[-1].set(color=COLORS[color], label=name)
        middle.set(xlabel="pair of latent dimensions, sorted", ylabel="absolute correlation")
        middle.legend(fontsize=8.5)
        middle.set_title("decorrelation")
        step = rated.code_steps_[0]
        edges = np.arange(np.floor(rounded[:, 0].min() / step), rounded[:, 0].max() / step + 2)
        right.hist(rounded[:, 0], 80, color=COLORS["green"], alpha=0.6)
        for edge in (edges - 0.5) * step:
            right.axvline(edge, color=COLORS["gray"], linewidth=0.7, linestyle=":")
        right.set(xlabel="latent dimension 1", ylabel="samples")
        right.set_title("rate: quantization steps (dotted)")
