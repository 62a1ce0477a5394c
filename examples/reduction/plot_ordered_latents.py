"""
Number of latent dimensions from one fit
========================================

The number of latent dimensions usually needs one fit for each candidate. With
an ordered bottleneck (nested dropout), the first `k` latent dimensions are
trained to be the best latent vector of `k` dimensions, for every `k`. One fit
gives the whole curve, as the explained variance ratio of PCA does.
"""

# %%
# Heartbeats
# ----------
#
# Each row is one generated heartbeat of 128 samples. Six quantities vary: the
# heights of three waves, the interval between two of them, the width of the
# main wave and the slope of the baseline.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skae import DenseAutoencoder, SpectrumDisplay

rng = np.random.default_rng(0)
t = np.linspace(-0.4, 0.6, 128)


def heartbeats(n_samples):
    def uniform(low, high):
        return rng.uniform(low, high, (n_samples, 1))

    def wave(center, width):
        return np.exp(-np.square((t - center) / width) / 2)

    X = uniform(0.05, 0.25) * wave(-0.18, 0.03)
    X += uniform(0.8, 1.6) * wave(0, uniform(0.01, 0.025))
    X += uniform(0.1, 0.5) * wave(uniform(0.22, 0.42), 0.05)
    X += uniform(-0.2, 0.2) * t
    return X + rng.normal(0, 0.01, X.shape)


X_train, X_test = heartbeats(4000), heartbeats(1000)

# %%
# One ordered fit, compared with PCA and with separate fits
# ---------------------------------------------------------
#
# The decoder accepts latent vectors that are cut off. Separate autoencoders
# are fitted for three numbers of dimensions.

ordered = DenseAutoencoder(
    8, bottleneck="ordered", max_iter=60, random_state=0
)
ordered.fit(X_train)
Z = ordered.transform(X_test)

counts = (2, 4, 6)
separate = [DenseAutoencoder(k, random_state=0).fit(X_train) for k in counts]
print("mean squared error of test heartbeats, x 10,000")
print("dimensions       PCA   separate fit   one ordered fit")
for k, autoencoder in zip(counts, separate, strict=True):
    pca = PCA(k).fit(X_train)
    from_pca = pca.inverse_transform(pca.transform(X_test))
    errors = [
        np.square(X_test - from_pca).mean(),
        autoencoder.reconstruction_error(X_test).mean(),
        np.square(X_test - ordered.inverse_transform(Z[:, :k])).mean(),
    ]
    pca_error, error, ordered_error = (1e4 * value for value in errors)
    print(f"{k:10}{pca_error:10.1f}{error:15.1f}{ordered_error:18.1f}")

# %%
# Explained variance for every number of dimensions:

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
SpectrumDisplay.from_estimator(
    ordered, X_test, X_train=X_train, name="one ordered fit", ax=ax
)
ax.plot(
    counts,
    [autoencoder.score(X_test) for autoencoder in separate],
    "D",
    color="tab:green",
    label="separate fits",
)
ax.legend(frameon=False)
plt.show()

# %%
# Reconstructions from the first 2, 4 and 6 of 8 latent dimensions:

figure, axes = plt.subplots(
    1, 3, figsize=(10, 3), sharey=True, layout="constrained"
)
for ax, k in zip(axes, counts, strict=True):
    ax.plot(t, X_test[0], color="0.7", lw=4, label="heartbeat")
    reconstructed = ordered.inverse_transform(Z[:1, :k])[0]
    ax.plot(t, reconstructed, color="tab:blue", label="reconstruction")
    ax.set(title=f"{k} of 8 dimensions", xlabel="time (s)")
axes[0].set_ylabel("amplitude")
figure.legend(
    *ax.get_legend_handles_labels(),
    loc="outside upper center",
    ncols=2,
    frameon=False,
)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/ordered` describes the ordered bottleneck. With a float as
# `n_components`, such as 0.95, `fit` selects the number of dimensions by the
# fraction of the variance, as in PCA. Other ways are in
# :doc:`/guide/choosing`.
