"""
Latent map of images
====================

Photographs of an instrument differ in the reading of the dial and in the
illumination. A map of the images in two dimensions should show both. This
example compares the maps of PCA and of an autoencoder.
"""

# %%
# Images of a dial
# ----------------
#
# The generated images have 40 x 40 pixels. The hand turns by up to 270
# degrees, and the brightness varies by a factor of two.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsRegressor

from skae import DenseAutoencoder, LatentDisplay

rng = np.random.default_rng(0)
v, u = np.mgrid[1:-1:40j, -1:1:40j]
disk = 1 / (1 + np.exp(40 * (np.hypot(u, v) - 0.92)))


def dials(n_samples):
    degrees = rng.uniform(-135, 135, n_samples)
    light = rng.uniform(0.5, 1, n_samples)
    angle = np.radians(degrees)[:, None, None]
    along = u * np.sin(angle) + v * np.cos(angle)
    across = u * np.cos(angle) - v * np.sin(angle)
    hand = np.exp(-np.square(across / 0.12)) / (1 + np.exp(-20 * along))
    hand /= 1 + np.exp(20 * (along - 0.75))
    images = light[:, None, None] * disk * (1 - 0.9 * hand)
    images += rng.normal(0, 0.02, images.shape)
    return images.reshape(n_samples, -1), degrees, light


X_train, _, _ = dials(4000)
X_test, degrees, light = dials(600)

# %%
# Two dimensions by PCA and by an autoencoder
# -------------------------------------------
#
# The table shows the fraction of the variance that two dimensions explain on
# new images. The 5 nearest neighbors on the map predict the reading and the
# brightness, with a cross-validated R2.

pca = PCA(2).fit(X_train)
autoencoder = DenseAutoencoder(2, random_state=0).fit(X_train)
models = {"PCA": pca, "DenseAutoencoder": autoencoder}

print("                    explained   R2 reading   R2 brightness")
for name, model in models.items():
    Z = model.transform(X_test)
    residual = X_test - model.inverse_transform(Z)
    explained = 1 - np.square(residual).mean() / X_test.var(axis=0).mean()
    neighbors = KNeighborsRegressor()
    r2 = [cross_val_score(neighbors, Z, t).mean() for t in (degrees, light)]
    print(f"{name:18}{explained:11.3f}{r2[0]:13.3f}{r2[1]:16.3f}")

# %%
# The maps, colored by the reading:

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    points = ax.scatter(
        *model.transform(X_test).T, c=degrees, s=14, cmap="twilight_shifted"
    )
    ax.set(
        title=name, xlabel="latent dimension 0", ylabel="latent dimension 1"
    )
figure.colorbar(points, ax=axes, label="reading (degrees)")
plt.show()

# %%
# The map with images in place of points
# --------------------------------------
#
# :class:`~skae.LatentDisplay` plots images where they do not overlap. One
# direction of the map is the brightness, and the other one is the reading.

figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
LatentDisplay.from_estimator(
    autoencoder,
    X_test,
    thumbnails=True,
    image_shape=(40, 40),
    thumbnail_size=26,
    ax=ax,
)
plt.show()

# sphinx_gallery_start_ignore
# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_end_ignore

# %%
# Guide
# -----
#
# :doc:`/guide/plotting` describes the displays, and :doc:`/guide/choosing`
# the number of latent dimensions. A map by t-SNE or UMAP of more latent
# dimensions is part of :doc:`/guide/classification`.
