"""
What does a density over codes make up?
=======================================

Codes sampled from a mixture fitted on the codes of digits decode to new digits; a single Gaussian is too simple for that.
"""

# %%
# The same autoencoder serves both densities.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture

from skae import DenseAutoencoder, LatentSampler

X = load_digits().data
autoencoder = FrozenEstimator(DenseAutoencoder(8, random_state=0).fit(X))
single = LatentSampler(autoencoder, density=GaussianMixture(1), random_state=0).fit(X)
mixture = LatentSampler(autoencoder, random_state=0).fit(X)
walk = mixture.interpolate(X[:2], X[2:4], steps=10).swapaxes(0, 1).reshape(20, 64)

# %%
# Twenty images each, and two walks from one digit to another.

figure, axes = plt.subplots(3, 1, figsize=(6, 4.6), layout="constrained")
titles = [
    "one Gaussian",
    f"{mixture.density_.n_components} Gaussians, the default",
    "from one digit to another",
]
for axis, title, rows in zip(
    axes, titles, [single.sample(20), mixture.sample(20), walk], strict=True
):
    images = np.pad(rows.reshape(2, 10, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    lines = images.swapaxes(1, 2).reshape(20, 100)
    axis.imshow(np.clip(lines, 0, 16), cmap="gray_r")
    axis.set_title(title)
    axis.set_axis_off()
plt.show()

# %%
# Mean log density of the codes: it compares densities on the same codes.

print(f"one Gaussian {single.score(X):.2f}, mixture {mixture.score(X):.2f}")
