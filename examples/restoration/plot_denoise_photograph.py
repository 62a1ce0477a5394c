"""
Denoising of photographs
========================

Noise is removed from a photograph. The network of
:class:`~skae.ImageRestorer` learns from clean photographs, to which noise is
added in training. One model serves all noise levels of the training.
"""

# %%
# Training on clean photographs
# -----------------------------
#
# The right halves of the two photographs of scikit-learn are the training
# set. Noise is added to a part of the left half of one photograph. Real
# applications use more photographs and more epochs.

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter, median_filter
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import (
    extract_patches_2d,
    reconstruct_from_patches_2d,
)

from skae import ImageRestorer
from skae.corruptions import Gaussian

photographs = np.stack(load_sample_images().images).mean(axis=-1) / 255
X_train, clean = photographs[:, :, 320:], photographs[1, 80:280, :300]

restorer = ImageRestorer(
    Gaussian(level=(0.02, 0.2)),
    n_filters=16,
    patch_size=48,
    max_iter=60,
    random_state=0,
)
restorer.fit(X_train)

# %%
# Comparison by peak signal-to-noise ratio
# ----------------------------------------
#
# The peak signal-to-noise ratio (PSNR) is in decibels. A gain of 3 dB is half
# of the squared error. PCA is fitted on the noisy patches of 8 x 8 pixels,
# and overlapping patches are averaged. The parameters of the other three
# methods are the best ones for each noise level on this photograph.


def psnr(image):
    return -10 * np.log10(np.square(image - clean).mean())


def denoise_by_pca(noisy, n_components):
    patches = extract_patches_2d(noisy, (8, 8)).reshape(-1, 64)
    pca = PCA(n_components).fit(patches)
    patches = pca.inverse_transform(pca.transform(patches))
    return reconstruct_from_patches_2d(patches.reshape(-1, 8, 8), noisy.shape)


filters = {
    "median filter": (median_filter, (3, 5, 7)),
    "Gaussian filter": (gaussian_filter, (0.5, 0.75, 1, 1.5, 2)),
    "PCA of patches": (denoise_by_pca, (2, 4, 8, 16, 32)),
}
levels = (0.05, 0.1, 0.15)
rng = np.random.default_rng(0)
noisy = {
    level: clean + rng.normal(scale=level, size=clean.shape)
    for level in levels
}
results = {("noisy", level): noisy[level] for level in levels}
for level in levels:
    for name, (denoise, parameters) in filters.items():
        candidates = [denoise(noisy[level], value) for value in parameters]
        results[name, level] = max(candidates, key=psnr)
    restored = restorer.predict(noisy[level][None])[0]
    results["ImageRestorer", level] = restored

print("standard deviation" + "".join(f"{level:9}" for level in levels))
for name in ("noisy", *filters, "ImageRestorer"):
    values = [psnr(results[name, level]) for level in levels]
    print(f"{name:18}" + "".join(f"{value:6.1f} dB" for value in values))

# %%
# The photograph with noise of standard deviation 0.1, and the results:

figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
names = ["noisy", "Gaussian filter", "PCA of patches", "ImageRestorer"]
for ax, name in zip(axes.flat, names, strict=True):
    image = results[name, 0.1]
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_title(f"{name}, {psnr(image):.1f} dB")
    ax.set_axis_off()
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/restoration` covers other corruptions, such as blur and JPEG
# artifacts, pairs of corrupted and clean images, and color photographs.
