"""
Inpainting of masked regions
============================

A square region of each image is missing. The values in the masked region are
estimated from the remaining pixels. :class:`~skae.ImageRestorer` is compared
with PCA and with interpolation.
"""

# %%
# Images with a masked region
# ---------------------------
#
# The generated images show a dial with a hand and ticks, at varying positions
# and sizes. They have 40 x 40 pixels. With ``allow_nan=True`` NaN marks the
# masked pixels, and all other pixels stay unchanged.

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import griddata
from sklearn.decomposition import PCA

from skae import ImageRestorer
from skae.corruptions import Patches

rng = np.random.default_rng(0)
v, u = np.mgrid[1:-1:40j, -1:1:40j]


def dials(n_samples):
    def uniform(low, high):
        return rng.uniform(low, high, (n_samples, 1, 1))

    scale = uniform(0.8, 1)
    x = (u - uniform(-0.15, 0.15)) / scale
    y = (v - uniform(-0.15, 0.15)) / scale
    angle, radius = uniform(0, 2 * np.pi), np.hypot(x, y)
    along = x * np.sin(angle) + y * np.cos(angle)
    across = x * np.cos(angle) - y * np.sin(angle)
    hand = np.exp(-np.square(across / 0.1)) * (np.abs(along - 0.2) < 0.45)
    ticks = (np.cos(12 * np.arctan2(x, y)) > 0.6) & (radius > 0.65)
    image = (radius < 0.85) * (1 - 0.9 * hand) * (1 - 0.5 * ticks)
    return uniform(0.5, 1) * image + rng.normal(0, 0.02, image.shape)


X_train, X_test = dials(1000), dials(200)
mask = np.zeros(X_test.shape, bool)
for one in mask:
    top, left = rng.integers(8, 20, 2)
    one[top : top + 12, left : left + 12] = True
X_masked = np.where(mask, np.nan, X_test)

# %%
# Comparison
# ----------
#
# PCA estimates the latent vector by least squares from the known pixels, with
# a normal prior. Its number of components is the best one on the test set.


def inpaint_by_pca(n_components):
    pca = PCA(n_components).fit(X_train.reshape(len(X_train), -1))
    X = X_masked.reshape(len(X_masked), -1).copy()
    prior = np.diag(pca.noise_variance_ / pca.explained_variance_)
    for row in X:
        known = ~np.isnan(row)
        W = pca.components_[:, known]
        deviation = row[known] - pca.mean_[known]
        z = np.linalg.solve(W @ W.T + prior, W @ deviation)
        row[~known] = (z @ pca.components_ + pca.mean_)[~known]
    return X.reshape(X_masked.shape)


def interpolate(image):
    known = ~np.isnan(image)
    places = np.argwhere(known), np.argwhere(~known)
    result = image.copy()
    result[~known] = griddata(places[0], image[known], places[1])
    return result


def error(X):
    return np.sqrt(np.square(X - X_test)[mask].mean())


restorer = ImageRestorer(
    Patches(level=0.09),
    n_filters=16,
    max_iter=35,
    allow_nan=True,
    random_state=0,
).fit(X_train)
candidates = {k: inpaint_by_pca(k) for k in (40, 80, 160)}
best = min(candidates, key=lambda k: error(candidates[k]))
results = {
    "mean image": np.where(mask, X_train.mean(axis=0), X_test),
    "interpolation": np.stack([interpolate(image) for image in X_masked]),
    f"PCA, {best} components": candidates[best],
    "ImageRestorer": restorer.predict(X_masked),
}
print("                      RMSE of masked pixels")
for name, X in results.items():
    print(f"{name:20}{error(X):23.3f}")

# %%
# Images with the masked region in red, and the estimates:

rows = {"masked": X_masked, **results, "true image": X_test}
gray = plt.colormaps["gray"].with_extremes(bad="tab:red")
figure, axes = plt.subplots(
    len(rows), 8, figsize=(9, 6.4), layout="constrained"
)
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, images, strict=False):
        ax.imshow(image, cmap=gray, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/restoration` describes the masks of the training and
# corruptions by your own functions. Missing values of tables are covered by
# :doc:`/guide/missing_values`.
