"""
Classification of larger images
===============================

Road signs of 48 x 48 pixels appear at different positions and sizes, in front
of photographs. A convolutional autoencoder with ``target_weight`` compresses
the images to latent vectors that keep the class. This example compares it
with PCA and with the pixels.
"""

# %%
# Images of signs
# ---------------
#
# The backgrounds are random parts of a photograph of scikit-learn. Training
# and test images have different halves of the photograph as background.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder

rng = np.random.default_rng(0)
photograph = load_sample_image("china.jpg").mean(axis=2) / 255
names = ["round", "square", "diamond", "triangle", "cross"]
v, u = np.mgrid[1:-1:48j, -1:1:48j]


def sign(kind, background):
    x, y = u - rng.uniform(-0.3, 0.3), v - rng.uniform(-0.3, 0.3)
    corner = np.maximum(np.abs(x), np.abs(y))
    diagonal = np.abs(x) + np.abs(y)
    across = np.minimum(np.abs(x), np.abs(y))
    size = rng.uniform(0.4, 0.65)
    distance = {
        "round": np.hypot(x, y),
        "square": corner * 1.15,
        "diamond": diagonal * 0.8,
        "cross": np.maximum(corner, 2.5 * across),
        "triangle": np.maximum(-1.7 * y, 0.85 * y + 1.5 * np.abs(x)),
    }[kind]
    top, left = (rng.integers(0, limit - 48) for limit in background.shape)
    image = 0.6 * background[top : top + 48, left : left + 48]
    plate, frame = distance < 0.78 * size, distance < size
    image = np.where(frame, rng.uniform(0.2, 0.45), image)
    image = np.where(plate, rng.uniform(0.7, 1), image)
    return image + rng.normal(0, 0.03, image.shape)


def signs(n_samples, background):
    y = rng.integers(0, 5, n_samples)
    X = np.stack([sign(names[label], background) for label in y])
    return X.astype(np.float32), y


X_train, y_train = signs(1500, photograph[:, :320])
X_test, y_test = signs(600, photograph[:, 320:])

figure, axes = plt.subplots(2, 8, figsize=(9, 2.5), layout="constrained")
for ax, image in zip(axes.flat, X_train, strict=False):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
plt.show()

# %%
# Accuracy
# --------
#
# The same support vector machine gets 16 latent dimensions, 16 and 100
# components of PCA, linear discriminant analysis (LDA), or all pixels. The
# autoencoder and LDA use the labels of the training set.

autoencoder = ConvAutoencoder(
    16, n_filters=16, target_weight=1, max_iter=25, random_state=0
)
pipelines = {
    "pixels": SVC(C=10),
    "PCA, 16 dimensions": make_pipeline(PCA(16), StandardScaler(), SVC(C=10)),
    "PCA, 100 dimensions": make_pipeline(
        PCA(100), StandardScaler(), SVC(C=10)
    ),
    "PCA and LDA": make_pipeline(
        PCA(100), LinearDiscriminantAnalysis(), StandardScaler(), SVC(C=10)
    ),
    "ConvAutoencoder, 16 dimensions": make_pipeline(
        autoencoder, StandardScaler(), SVC(C=10)
    ),
}
print(f"{'':30}   test accuracy")
for name, pipeline in pipelines.items():
    X, X_new = X_train, X_test
    if "Conv" not in name:
        X, X_new = X.reshape(len(X), -1), X_new.reshape(len(X_new), -1)
    pipeline.fit(X, y_train)
    print(f"{name:30}{pipeline.score(X_new, y_test):16.3f}")

# %%
# Errors and reconstructions
# --------------------------
#
# The confusion matrix of the last Pipeline, and reconstructions of test
# images from 16 latent dimensions.

figure = plt.figure(figsize=(10, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.2))
ConfusionMatrixDisplay.from_estimator(
    pipeline,
    X_test,
    y_test,
    display_labels=names,
    xticks_rotation=40,
    colorbar=False,
    cmap="Blues",
    ax=left.subplots(),
)
axes = right.subplots(2, 5)
reconstructed = pipeline[0].reconstruct(X_test)
for column, label in zip(axes.T, range(5), strict=True):
    i = np.flatnonzero(y_test == label)[0]
    for ax, image in zip(column, (X_test[i], reconstructed[i]), strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    column[0].set_title(names[label], fontsize=10)
axes[0, 0].set_ylabel("image")
axes[1, 0].set_ylabel("reconstruction")
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/supervised` describes the supervised loss, and
# :doc:`/guide/input_shapes` color images and channels.
