"""
What was in the hole?
=====================

A quarter of each image is lost. A restorer that has learned from whole images of the same kind puts something there. Is that
nearer to the truth than what PCA can say from the pixels that are left?
"""

# %%
# ``corruption="patches"`` cuts a square hole out of each digit, at a random place and anew at every step. With
# ``allow_nan=True`` holes are gaps: the network is told where they are, and does not take them for grey ink.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import ImageRestorer
from skae.corruptions import Patches

images = load_digits().images
train, test = images[:1400], images[1400:]
restorer = ImageRestorer(
    Patches(level=0.25), n_filters=16, max_iter=60, allow_nan=True, random_state=0
).fit(train)

# %%
# The digits to be mended have a hole of 4 x 4 pixels, which is NaN. All other pixels stay as they are.

rng = np.random.default_rng(0)
hole = np.zeros(test.shape, bool)
for one in hole:
    top, left = rng.integers(0, 5, 2)
    one[top : top + 4, left : left + 4] = True
damaged = np.where(hole, np.nan, test)
mended = restorer.predict(damaged)

# %%
# PCA's answer: the code that fits best to the pixels that are left, among those that are likely, says what is in the hole.

pca = PCA(24).fit(train.reshape(-1, 64))
from_pca = test.reshape(-1, 64).copy()
for row, lost in zip(from_pca, hole.reshape(-1, 64), strict=True):
    seen = pca.components_[:, ~lost]
    code = np.linalg.solve(
        seen @ seen.T + 10 * np.diag(1 / pca.explained_variance_), seen @ (row - pca.mean_)[~lost]
    )
    row[lost] = (pca.mean_ + code @ pca.components_)[lost]
from_pca = from_pca.reshape(test.shape)

for name, found in (
    ("mean of the digits", train.mean(0)),
    ("PCA", from_pca),
    ("ImageRestorer", mended),
):
    print(f"{name:20} mean squared error in the hole {np.square(found - test)[hole].mean():6.2f}")

# %%
# Ten of them, with the hole in red:

rows = {"with a hole": damaged, "PCA": from_pca, "ImageRestorer": mended, "truth": test}
colour_map = plt.colormaps["gray_r"].with_extremes(bad="tab:red")
figure, axes = plt.subplots(len(rows), 10, figsize=(9, 3.2), layout="constrained")
for line, (name, found) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, found[:10], strict=True):
        ax.imshow(image, cmap=colour_map, vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()
