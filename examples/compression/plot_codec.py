"""
Compression of images
=====================

Similar images need few bytes if a codec is fitted to their statistics. This
example compares :class:`~skae.LatentCodec`, the same codec with PCA, and JPEG.
"""

# %%
# Images
# ------
#
# The generated images of a dial have 32 x 32 pixels and 8 bits. They vary in
# the direction of the hand, the illumination and the position.

import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.decomposition import PCA

from skae import DenseAutoencoder, LatentCodec
from skae.penalties import Rate

rng = np.random.default_rng(0)
v, u = np.mgrid[1:-1:32j, -1:1:32j]


def dials(n_samples):
    angle = rng.uniform(0, 2 * np.pi, (n_samples, 1, 1))
    light = rng.uniform(0.5, 1, (n_samples, 1, 1))
    x = u + rng.uniform(-0.1, 0.1, (n_samples, 1, 1))
    y = v + rng.uniform(-0.1, 0.1, (n_samples, 1, 1))
    along = x * np.sin(angle) + y * np.cos(angle)
    across = x * np.cos(angle) - y * np.sin(angle)
    hand = np.exp(-np.square(across / 0.13))
    hand /= (1 + np.exp(-15 * along)) * (1 + np.exp(15 * (along - 0.6)))
    disk = 1 / (1 + np.exp(20 * (np.hypot(x, y) - 0.8)))
    images = 20 + 220 * light * disk * (1 - 0.9 * hand)
    images += rng.normal(0, 1, images.shape)
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


X_train = dials(2000).reshape(2000, -1)
X_test = dials(400).reshape(400, -1)

# %%
# Rate and distortion
# -------------------
#
# The weight of the penalty ``Rate`` sets the number of bytes of an
# autoencoder, and the quantization step sets the number of bytes of PCA. All
# test images are compressed to one message. JPEG gets one mosaic of all
# images, so its header counts once.


def measure(codec):
    codec.fit(X_train)
    message = codec.compress(X_test)
    return len(message) / len(X_test), codec.decompress(message)


def jpeg(quality):
    mosaic = X_test.reshape(20, 20, 32, 32).swapaxes(1, 2).reshape(640, 640)
    file = io.BytesIO()
    Image.fromarray(mosaic).save(file, "JPEG", quality=quality, optimize=True)
    n_bytes = len(file.getvalue()) / len(X_test)
    decoded = np.asarray(Image.open(file)).reshape(20, 32, 20, 32)
    return n_bytes, decoded.swapaxes(1, 2).reshape(X_test.shape)


def autoencoder(weight):
    return DenseAutoencoder(16, penalty=Rate(weight), random_state=0)


results = {
    "JPEG": [jpeg(quality) for quality in (5, 20, 50, 75)],
    "LatentCodec, PCA": [
        measure(LatentCodec(PCA(k), step=step, random_state=0))
        for k, step in ((20, 100), (40, 50), (80, 20))
    ],
    "LatentCodec, autoencoder": [
        measure(LatentCodec(autoencoder(weight), random_state=0))
        for weight in (0.01, 0.1, 1)
    ],
}


def psnr(decoded):
    difference = decoded.astype(float) - X_test
    return 10 * np.log10(255**2 / np.square(difference).mean())


print(f"{'':24}bytes per image   PSNR (dB)")
for name, points in results.items():
    for n_bytes, decoded in points:
        print(f"{name:24}{n_bytes:15.1f}{psnr(decoded):12.1f}")

# %%
# Bytes against PSNR, and two images by the second setting of each method:

figure = plt.figure(figsize=(10, 3.8), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
ax = left.subplots()
colors = ["tab:green", "tab:orange", "tab:blue"]
for (name, points), color in zip(results.items(), colors, strict=True):
    n_bytes = [point[0] for point in points]
    values = [psnr(point[1]) for point in points]
    ax.semilogx(n_bytes, values, "o-", color=color, label=name)
ax.set(xlabel="bytes per image", ylabel="PSNR (dB)")
ax.set_xticks([5, 10, 20, 50, 100, 200], [5, 10, 20, 50, 100, 200])
ax.minorticks_off()
ax.legend(frameon=False, fontsize=9)
axes = right.subplots(2, 4)
panels = {"original\n1024 bytes": X_test}
for name, points in results.items():
    title = name.removeprefix("LatentCodec, ")
    panels[f"{title}\n{points[1][0]:.0f} bytes"] = points[1][1]
for column, (title, images) in zip(axes.T, panels.items(), strict=True):
    column[0].set_title(title, fontsize=10)
    for ax, image in zip(column, images, strict=False):
        ax.imshow(image.reshape(32, 32), cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/compression` describes the codec, its messages, and images of
# any size. :doc:`/guide/penalties` defines the rate penalty.
