"""
Defect maps of images
=====================

A camera inspects metal parts. Position, rotation and illumination of normal
parts vary. A detector that is fitted on normal images finds defective parts,
and a map of the errors shows the place of the defect. Images of defects are
not needed for training.
"""

# %%
# Images of parts
# ---------------
#
# The generated parts are rings with six holes, on images of 48 x 48 pixels.
# Defects are a missing hole, a chip at the edge, a scratch and a stain. Their
# true masks are known.

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score

from skae import ConvAutoencoder, ReconstructionDetector

rng = np.random.default_rng(0)
v, u = np.mgrid[-1:1:48j, -1:1:48j]


def inside(distance):
    return 1 / (1 + np.exp(np.clip(30 * distance, -50, 50)))


def part(defect=None):
    x, y = u + rng.uniform(-0.18, 0.18), v + rng.uniform(-0.18, 0.18)
    angle, start = rng.uniform(0, 2 * np.pi), rng.uniform(0, np.pi / 3)
    radius = np.hypot(x, y)
    metal = inside(radius - 0.78) * inside(0.25 - radius)
    places = start + np.arange(6) * np.pi / 3
    holes = [
        inside(np.hypot(x - 0.52 * np.cos(a), y - 0.52 * np.sin(a)) - 0.11)
        for a in places
    ]
    perfect = metal * (1 - np.sum(holes, axis=0))
    light = rng.uniform(0.6, 1)
    image = perfect
    px, py = 0.52 * np.cos(places[0] + 0.5), 0.52 * np.sin(places[0] + 0.5)
    if defect == "missing hole":
        image = metal * (1 - np.sum(holes[1:], axis=0))
    elif defect == "chip":
        px, py = 0.8 * np.cos(angle), 0.8 * np.sin(angle)
        image = perfect * (1 - inside(np.hypot(x - px, y - py) - 0.09))
    elif defect == "scratch":
        along = (x - px) * np.cos(angle) + (y - py) * np.sin(angle)
        across = (y - py) * np.cos(angle) - (x - px) * np.sin(angle)
        line = inside(np.abs(across) - 0.02) * inside(np.abs(along) - 0.3)
        image = perfect * (1 - 0.3 * line)
    elif defect == "stain":
        stain = inside(np.hypot(x - px, y - py) - 0.12)
        image = perfect * (1 - 0.15 * stain)
    mask = np.abs(image - perfect) > 0.05
    noise = rng.normal(0, 0.02, image.shape)
    return (light * image + noise).astype(np.float32), mask


kinds = ["missing hole", "chip", "scratch", "stain"]
X_train = np.stack([part()[0] for _ in range(1500)])
normal = np.stack([part()[0] for _ in range(200)])
pairs = [part(kind) for kind in kinds for _ in range(50)]
defective, masks = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
X_test = np.concatenate([normal, defective])
is_defective = np.arange(len(X_test)) >= len(normal)

# %%
# Detection of images and pixels
# ------------------------------
#
# The error map of PCA is computed as in
# :class:`~skae.ReconstructionDetector`: smoothed errors are squared, and
# divided by those of normal images. Its number of components is the best one
# on the test set.

autoencoder = ConvAutoencoder(
    12, n_filters=8, max_iter=40, validation_fraction=0.1
)
detector = ReconstructionDetector(
    autoencoder, cross_fit=False, random_state=0
).fit(X_train)
maps = {"ConvAutoencoder": detector.error_map(X_test)}
scores = {"ConvAutoencoder": -detector.score_samples(X_test)}


def squared_errors(pca, X):
    flat = X.reshape(len(X), -1)
    residual = pca.inverse_transform(pca.transform(flat)) - flat
    smoothed = gaussian_filter(
        residual.reshape(X.shape), sigma=(0, 48 / 28, 48 / 28)
    )
    return np.square(smoothed)


def pca_map(n_components):
    pca = PCA(n_components).fit(X_train.reshape(len(X_train), -1))
    normal_errors = squared_errors(pca, X_train).mean(axis=0)
    scale = normal_errors + 0.2 * normal_errors.mean()
    return squared_errors(pca, X_test) / scale


candidates = {k: pca_map(k) for k in (5, 10, 20, 40, 80, 160)}
best = max(
    candidates,
    key=lambda k: roc_auc_score(is_defective, candidates[k].mean((1, 2))),
)
name = f"PCA, {best} components"
maps[name], scores[name] = candidates[best], candidates[best].mean((1, 2))

print(f"{'':24}ROC-AUC   ROC-AUC   average precision")
print(f"{'':24} images    pixels              pixels")
for name, error_map in maps.items():
    pixels = error_map[is_defective].ravel()
    print(
        f"{name:24}{roc_auc_score(is_defective, scores[name]):7.3f}"
        f"{roc_auc_score(masks.ravel(), pixels):10.3f}"
        f"{average_precision_score(masks.ravel(), pixels):20.3f}"
    )

# %%
# PCA detects all defective images, with a number of components that was chosen
# on them. The error map of the autoencoder locates the pixels better. ROC-AUC
# of the images for each kind of defect:

print(f"{'':24}" + "".join(f"{kind:>14}" for kind in kinds))
for name, values in scores.items():
    aucs = []
    for number in range(4):
        start = 200 + 50 * number
        rows = np.r_[0:200, start : start + 50]
        aucs.append(roc_auc_score(is_defective[rows], values[rows]))
    print(f"{name:24}" + "".join(f"{auc:14.3f}" for auc in aucs))

# %%
# Maps
# ----
#
# One part of each kind. The maps show the root of the squared error. White is
# the root mean squared error of defective pixels, over all test images.

figure, axes = plt.subplots(4, 4, figsize=(7, 7.4), layout="constrained")
shown = [210 + 50 * number for number in range(4)]
for row, i in zip(axes, shown, strict=True):
    row[0].imshow(X_test[i], cmap="gray", vmin=0, vmax=1)
    row[1].imshow(masks[i - 200], cmap="gray")
    for ax, error_map in zip(row[2:], maps.values(), strict=True):
        high = np.sqrt(error_map[is_defective][masks].mean())
        ax.imshow(np.sqrt(error_map[i]), cmap="magma", vmin=0, vmax=high)
for ax, title in zip(
    axes[0], ["image", "true defect", "autoencoder", "PCA"], strict=True
):
    ax.set_title(title)
for row, kind in zip(axes, kinds, strict=True):
    row[0].set_ylabel(kind, fontsize=11)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/anomaly_detection` describes error maps and their smoothing,
# and :doc:`/guide/input_shapes` images with channels.
