"""
What belongs into the gaps?
===========================

Some cells of a table are missing. An autoencoder that was trained with the gaps, and with more numbers hidden while training,
gives a number for each of them. Is that nearer to the truth than what scikit-learn's imputers say?
"""

# %%
# Two tables: digits, whose 64 columns are pixels, and 30 columns of measured cell nuclei. A tenth, 30 % and half of the cells
# are hidden at random, so that the truth is known.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (allows the next import)
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import scale

from skae import DenseAutoencoder
from skae.corruptions import Masking

warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # the regressions go over the table ten times, and no more


def by_autoencoder(gappy):
    """Train on a table with its gaps, and put the reconstruction where they are."""
    imputer = DenseAutoencoder(
        gappy.shape[1],
        allow_nan=True,
        corruption=Masking(level=(0.0, 0.5)),
        random_state=0,
    ).fit(gappy)
    return np.where(np.isnan(gappy), imputer.reconstruct(gappy), gappy)


methods = {
    "mean": SimpleImputer().fit_transform,
    "linear regressions": IterativeImputer(Ridge(), tol=0.1, random_state=0).fit_transform,
    "5 neighbours": KNNImputer().fit_transform,
    "DenseAutoencoder": by_autoencoder,
}
colours = ["tab:gray", "tab:orange", "tab:green", "tab:blue"]
tables = {"digits": load_digits().data / 16, "cell nuclei": scale(load_breast_cancer().data)}
shares = [0.1, 0.3, 0.5]


def hide(table, share):
    """Put NaN into this share of the cells."""
    return np.where(np.random.default_rng(0).random(table.shape) < share, np.nan, table)


filled = {}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, (title, table) in zip(axes, tables.items(), strict=True):
    for (name, fill), colour in zip(methods.items(), colours, strict=True):
        errors = []
        for share in shares:
            gappy = hide(table, share)
            filled[title, share, name] = fill(gappy)
            errors.append(
                np.sqrt(np.square(filled[title, share, name] - table)[np.isnan(gappy)].mean())
            )
        ax.plot(shares, errors, "o-", color=colour, label=name)
        print(f"{title:12} {name:20}", *(f"{error:.3f}" for error in errors))
    ax.set(title=title, xlabel="share of the cells that is hidden", ylim=(0, None))
    ax.set_xticks(shares, ["10 %", "30 %", "50 %"])
axes[0].set_ylabel("root of the mean squared error")
axes[0].legend(frameon=False, fontsize=9, loc="lower right")
plt.show()

# %%
# It depends on the table by how much. Pixels depend on each other in ways that are not linear, and the autoencoder is well
# nearer to them. The columns of the other table are nearly sums of each other (a perimeter is about six radii): the normal
# distribution by which the autoencoder fills gaps before it encodes a row finds that, too, and little is left to gain.
#
# Digits of which 30 % of the pixels are hidden, in red, and what the methods put there:

digits = tables["digits"]
rows = {
    "hidden": hide(digits, 0.3),
    **{name: filled["digits", 0.3, name] for name in methods},
    "truth": digits,
}
colour_map = plt.colormaps["gray_r"].with_extremes(bad="tab:red")
figure, axes = plt.subplots(len(rows), 10, figsize=(9, 4.7), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, images[:10], strict=True):
        ax.imshow(image.reshape(8, 8), cmap=colour_map, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()
