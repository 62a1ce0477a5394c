"""
Imputation of missing values
============================

Missing values of a table are imputed by an autoencoder and by the imputers of
scikit-learn. The missing values are removed at random from complete tables,
so the error of each imputation is known.
"""

# %%
# Tables and imputers
# -------------------
#
# Two tables: 64 pixels of handwritten digits, and 30 measurements of cell
# nuclei. With ``allow_nan=True`` the loss excludes missing values, and
# ``reconstruct`` imputes them. The corruption removes further values in
# training. :class:`~skae.DenseAutoencoder` imputes a new row without a new
# fit.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import scale

from skae import DenseAutoencoder
from skae.corruptions import Masking

tables = {
    "digits": load_digits().data[:1200] / 16,
    "cell nuclei": scale(load_breast_cancer().data),
}


def impute_by_autoencoder(X):
    autoencoder = DenseAutoencoder(
        X.shape[1],
        allow_nan=True,
        corruption=Masking(level=(0, 0.5)),
        random_state=0,
    )
    return np.where(np.isnan(X), autoencoder.fit(X).reconstruct(X), X)


imputers = {
    "SimpleImputer": SimpleImputer().fit_transform,
    "KNNImputer": KNNImputer().fit_transform,
    "IterativeImputer": IterativeImputer(
        max_iter=30, tol=0.01, random_state=0
    ).fit_transform,
    "DenseAutoencoder": impute_by_autoencoder,
}

# %%
# Imputation error
# ----------------
#
# Root mean squared error (RMSE) of the missing values, for three rates of
# missing values.

rates = (0.1, 0.3, 0.5)
masks = {
    (name, rate): np.random.default_rng(0).random(X.shape) < rate
    for name, X in tables.items()
    for rate in rates
}
imputed, errors = {}, {}
for (table, rate), mask in masks.items():
    X = tables[table]
    for name, impute in imputers.items():
        X_imputed = impute(np.where(mask, np.nan, X))
        imputed[table, rate, name] = X_imputed
        errors[table, rate, name] = np.sqrt(
            np.square(X_imputed - X)[mask].mean()
        )

for table in tables:
    print(f"RMSE, {table:18}" + "".join(f"{rate:8.0%}" for rate in rates))
    for name in imputers:
        values = [errors[table, rate, name] for rate in rates]
        print(f"{name:24}" + "".join(f"{value:8.3f}" for value in values))
    print()

# %%
# The same errors as a figure:

colors = ["tab:gray", "tab:green", "tab:orange", "tab:blue"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, table in zip(axes, tables, strict=True):
    for name, color in zip(imputers, colors, strict=True):
        values = [errors[table, rate, name] for rate in rates]
        ax.plot(rates, values, "o-", color=color, label=name)
    ax.set(title=table, xlabel="rate of missing values", ylim=(0, None))
    ax.set_xticks(rates, [f"{rate:.0%}" for rate in rates])
axes[0].set_ylabel("RMSE of imputed values")
axes[1].legend(frameon=False, fontsize=9)
plt.show()

# %%
# Imputed images
# --------------
#
# Digits with 50 % of the pixels missing (red), and the imputed images:

shown = [0, 13, 42, 53, 64, 75, 86, 97]
digits = tables["digits"]
rows = {
    "missing values": np.where(masks["digits", 0.5], np.nan, digits),
    "KNNImputer": imputed["digits", 0.5, "KNNImputer"],
    "IterativeImputer": imputed["digits", 0.5, "IterativeImputer"],
    "DenseAutoencoder": imputed["digits", 0.5, "DenseAutoencoder"],
    "true values": digits,
}
gray = plt.colormaps["gray_r"].with_extremes(bad="tab:red")
figure, axes = plt.subplots(
    len(rows), len(shown), figsize=(9, 5.2), layout="constrained"
)
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, i in zip(line, shown, strict=True):
        ax.imshow(images[i].reshape(8, 8), cmap=gray, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()

# sphinx_gallery_start_ignore
# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_end_ignore

# %%
# Guide
# -----
#
# :doc:`/guide/missing_values` describes the treatment of NaN in training, and
# :doc:`/guide/denoising` the corruptions.
