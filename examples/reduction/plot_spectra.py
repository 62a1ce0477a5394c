"""
Dimensionality reduction of spectra
===================================

A family of spectra varies in three physical quantities: the position, the
width and the height of a peak. PCA needs many components for a peak that
shifts, because a shift is not a linear change of the spectrum. An autoencoder
needs as many latent dimensions as there are quantities.
"""

# %%
# Spectra with a shifting peak
# ----------------------------
#
# Each spectrum has 200 channels. A second line follows the first at a fixed
# distance. The measurement noise has a standard deviation of 0.01.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skae import DenseAutoencoder

rng = np.random.default_rng(0)
wavelengths = np.linspace(400, 800, 200)


def line(position, width):
    return np.exp(-np.square((wavelengths - position) / width) / 2)


def spectra(n_samples):
    position = rng.uniform(480, 680, (n_samples, 1))
    width = rng.uniform(12, 30, (n_samples, 1))
    height = rng.uniform(0.5, 1, (n_samples, 1))
    X = height * line(position, width) + 0.4 * line(position + 70, width)
    return X + rng.normal(0, 0.01, X.shape), position[:, 0]


X_train, _ = spectra(4000)
X_test, position = spectra(1000)

# %%
# Reconstruction error
# --------------------
#
# Mean squared errors on new spectra. The variance of the noise, 0.0001, is a
# lower bound for every method with few components.

autoencoder = DenseAutoencoder(n_components=3, random_state=0).fit(X_train)
error = autoencoder.reconstruction_error(X_test).mean()

pcas = {k: PCA(k).fit(X_train) for k in (1, 2, 3, 5, 10, 15, 20, 25)}
pca_errors = {
    k: np.square(X_test - pca.inverse_transform(pca.transform(X_test))).mean()
    for k, pca in pcas.items()
}
print("                    components   mean squared error")
print(f"DenseAutoencoder {3:13}{error:21.5f}")
for k in (3, 10, 20):
    print(f"PCA              {k:13}{pca_errors[k]:21.5f}")
print()
print(f"PCA / DenseAutoencoder, 3 components: {pca_errors[3] / error:.0f}")

# %%
# Reconstructed spectra
# ---------------------
#
# Three test spectra and their reconstructions from three numbers. On the
# right, the errors for all numbers of components.

figure = plt.figure(figsize=(10, 4.4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.2, 1))
axes = left.subplots(3, 1, sharex=True, sharey=True)
from_pca = pcas[3].inverse_transform(pcas[3].transform(X_test))
reconstructed = autoencoder.reconstruct(X_test)
shown = np.argsort(position)[[100, 500, 900]]
for ax, i in zip(axes, shown, strict=True):
    ax.plot(wavelengths, X_test[i], color="0.7", lw=4, label="spectrum")
    ax.plot(wavelengths, from_pca[i], color="tab:orange", label="PCA, 3")
    ax.plot(
        wavelengths,
        reconstructed[i],
        color="tab:blue",
        label="DenseAutoencoder, 3",
    )
axes[0].legend(
    ncols=3, fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1)
)
axes[1].set_ylabel("intensity")
axes[2].set_xlabel("wavelength (nm)")

ax = right.subplots()
ax.semilogy(
    *zip(*pca_errors.items(), strict=True),
    "o-",
    color="tab:orange",
    label="PCA",
)
ax.plot(3, error, "s", color="tab:blue", ms=9, label="DenseAutoencoder")
ax.axhline(1e-4, color="gray", ls="--", lw=1, label="variance of the noise")
ax.set(xlabel="number of components", ylabel="mean squared error, test")
ax.legend(frameon=False)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/choosing` compares autoencoders with PCA, and
# :doc:`/guide/evaluation` defines the reconstruction error. For spectra on
# long time axes see :doc:`/guide/time_series`.
