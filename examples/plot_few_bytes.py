"""
How few bytes make an image
===========================

An autoencoder that is trained for short codes, and PCA, with the same quantiser and coder. Which needs fewer bytes for the same
error?
"""

# %%
# Each is fitted for several sizes: the autoencoder by the weight of its penalty, PCA by the step to which codes are rounded.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import DenseAutoencoder, LatentCodec

X = load_digits().data
X_train, X_test = X[:1400], X[1400:]


def measure(autoencoder, step="auto"):
    """Give bytes for each image, error, and what is read."""
    codec = LatentCodec(autoencoder, step=step, random_state=0).fit(X_train)
    message = codec.compress(X_test)
    found = codec.decompress(message)
    return len(message) / len(X_test), np.square(found - X_test).mean(), found


weights = [0.2, 0.6, 1.8]
learned = [measure(DenseAutoencoder(24, penalty="rate", penalty_weight=weight, random_state=0)) for weight in weights]
linear = [measure(PCA(32), step) for step in (4.0, 7.0, 12.0)]

figure = plt.figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.1])
axes = left.subplots()
for name, points, colour in (("PCA", linear, "tab:gray"), ("DenseAutoencoder", learned, "tab:blue")):
    axes.plot([point[0] for point in points], [point[1] for point in points], "o-", color=colour, label=name)
axes.set(xlabel="bytes per image", ylabel="mean squared error, test images", ylim=(0, None), xlim=(0, None))
axes.legend(frameon=False)

# %%
# Digits of 64 pixels, and what is read from so many bytes:

rows = [("64 numbers", X_test), *((f"{size:.1f} bytes", found) for size, _, found in learned)]
for line, (label, images) in zip(right.subplots(len(rows), 7), rows, strict=True):
    for place, image in zip(line, images, strict=False):
        place.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        place.set(xticks=[], yticks=[])
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()

# %%
# In numbers:

print("            bytes   error")
for name, points in (("PCA", linear), ("autoencoder", learned)):
    for size, error, _ in points:
        print(f"{name:11} {size:5.2f} {error:7.3f}")
