"""
Two numbers for a curve
=======================

Curves of 60 points that differ in two things only, where their peak is and how wide it is: do two numbers describe them? In
the space of the points the curves form a bent surface. PCA lays a plane through it; an autoencoder may follow the bend.
"""

# %%
# The noise has a variance of 0.0025, which nothing can explain.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skae import DenseAutoencoder

rng = np.random.default_rng(0)


def curves(n):
    """Draw curves, and where their peaks are."""
    position, width = rng.uniform(10, 50, (n, 1)), rng.uniform(2, 8, (n, 1))
    clean = np.exp(-np.square((np.arange(60) - position) / width) / 2)
    return clean + rng.normal(0, 0.05, clean.shape), position[:, 0]


X_train, _ = curves(2000)
X_test, position = curves(500)
pca = PCA(2).fit(X_train)
autoencoder = DenseAutoencoder(2, random_state=0).fit(X_train)
from_pca = pca.inverse_transform(pca.transform(X_test))
print(f"mean squared error of PCA:         {np.square(X_test - from_pca).mean():.4f}")
print(f"mean squared error of autoencoder: {autoencoder.reconstruction_error(X_test).mean():.4f}")

# %%
# Three curves that neither has seen, from two numbers each:

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True, layout="constrained")
reconstructed = autoencoder.reconstruct(X_test)
for ax, i in zip(axes, np.argsort(position)[[60, 250, 440]], strict=True):
    ax.plot(X_test[i], ".", color="0.6", markersize=4, label="curve")
    ax.plot(from_pca[i], color="tab:orange", label="PCA")
    ax.plot(reconstructed[i], color="tab:blue", label="DenseAutoencoder")
    ax.set(xlabel="point")
figure.legend(
    *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False
)
plt.show()

# %%
# The codes of all test curves. Training begins at PCA's codes, and moves them as far as that helps to tell the curves apart.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True, sharey=True, layout="constrained")
for ax, model in zip(axes, (pca, autoencoder), strict=True):
    codes = model.transform(X_test)
    points = ax.scatter(*codes.T, c=position, s=9)
    ax.set(
        title=f"codes of {type(model).__name__}",
        xlabel="first number",
        ylabel="second number",
        aspect="equal",
    )
figure.colorbar(points, ax=axes, label="position of the peak")
plt.show()
