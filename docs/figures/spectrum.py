"""Plot the explained variance by the number of latent dimensions, for an ordered bottleneck."""

import numpy as np
from _drawing import COLORS, figure
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import DenseAutoencoder

K = 16


def draw(path):
    """Fit digits with ordered latent dimensions, and plot their spectrum beside that of PCA."""
    X = load_digits().data
    order = np.random.default_rng(0).permutation(len(X))
    train, test = X[order[:1300]], X[order[1300:]]
    ordered = DenseAutoencoder(K, bottleneck="ordered", random_state=0).fit(train)
    pca = PCA(K).fit(train)
    variation = np.square(test - test.mean(0)).sum()
    scores = {"ordered autoencoder": [], "PCA": []}
    Z, scores_pca = ordered.transform(test), pca.transform(test)
    for j in range(1, K + 1):
        residual = test - ordered.inverse_transform(Z[:, :j])
        scores["ordered autoencoder"].append(1 - np.square(residual).sum() / variation)
        residual = test - (scores_pca[:, :j] @ pca.components_[:j] + pca.mean_)
        scores["PCA"].append(1 - np.square(residual).sum() / variation)
    with figure(path, width=6.5, height=3.2) as (_, axes):
        for (name, values), color in zip(scores.items(), ("green", "gray"), strict=True):
            axes.plot(range(1, K + 1), values, "o-", color=COLORS[color], label=name, markersize=4)
        axes.set(
            xlabel="number of leading latent dimensions",
            ylabel="explained variance (test set)",
            xticks=range(1, K + 1),
            ylim=(0, 1),
        )
        axes.legend(loc="lower right")
