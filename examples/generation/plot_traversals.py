"""
Traversals of the latent space
==============================

A traversal varies one latent dimension and decodes the results. The images
show the effect of each dimension. Drawn faces of 40 x 40 pixels vary in known
quantities, so the latent dimensions can be compared with them.
"""

# %%
# Drawn faces
# -----------
#
# Four quantities vary: the direction of the head, the curvature of the mouth,
# the opening of the eyes and the height of the brows.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from skae import DenseAutoencoder, TraversalDisplay

rng = np.random.default_rng(0)
v, u = np.mgrid[1:-1:40j, -1:1:40j]


def ellipse(x, y, width, height):
    distance = np.hypot(x / width, y / height)
    return 1 / (1 + np.exp(np.clip(6 * (distance - 1), -50, 50)))


def faces(n_samples):
    quantities = rng.uniform(-1, 1, (n_samples, 4))
    turn, mouth, eyes, brows = quantities.T[:, :, None, None]
    x = u - 0.12 * turn
    face = 0.85 * (np.hypot(u / 0.75, v / 0.95) < 1) * np.ones_like(turn)
    for side in (-0.3, 0.3):
        opening = 0.12 + 0.08 * eyes
        face -= 0.6 * ellipse(x - side, v - 0.2, 0.14, opening)
        height = v - 0.52 - 0.12 * brows
        face -= 0.5 * ellipse(x - side, height, 0.2, 0.05)
    curve = v + 0.45 - 1.2 * mouth * (np.square(x) - 0.05)
    face -= 0.6 * ellipse(x, curve, 0.4, 0.08)
    face -= 0.2 * ellipse(x, v + 0.08, 0.08, 0.14)
    face += rng.normal(0, 0.02, face.shape)
    return face.reshape(n_samples, -1), quantities


X_train, _ = faces(4000)
X_test, quantities = faces(500)

# %%
# Four latent dimensions
# ----------------------
#
# The explained variance of new faces, and how well a linear regression on the
# latent dimensions predicts each quantity (R2).

pca = PCA(4).fit(X_train)
autoencoder = DenseAutoencoder(4, max_iter=40, random_state=0).fit(X_train)
models = {"PCA": pca, "DenseAutoencoder": autoencoder}

print(f"{'':18}explained    turn   mouth    eyes   brows")
for name, model in models.items():
    Z = model.transform(X_test)
    residual = X_test - model.inverse_transform(Z)
    explained = 1 - np.square(residual).mean() / X_test.var(axis=0).mean()
    r2 = [LinearRegression().fit(Z, q).score(Z, q) for q in quantities.T]
    values = "".join(f"{value:8.2f}" for value in r2)
    print(f"{name:18}{explained:9.3f}{values}")

# %%
# Traversals
# ----------
#
# Each row varies one latent dimension by up to two standard deviations. PCA
# adds the same pattern with another weight, so contours fade in and out. The
# autoencoder moves them.

for name, model in models.items():
    figure = plt.figure(figsize=(8, 4.8), layout="constrained")
    TraversalDisplay.from_estimator(
        model, X_test, image_shape=(40, 40), ax=figure.subplots()
    )
    figure.suptitle(name)
plt.show()

# sphinx_gallery_start_ignore
# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_end_ignore

# %%
# Guide
# -----
#
# :doc:`/guide/plotting` describes traversals on a grid of two dimensions.
# :doc:`/guide/penalties` and :doc:`/guide/variational` describe objectives
# for independent latent dimensions.
