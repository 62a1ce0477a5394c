"""
Features of images for classification and clustering
====================================================

An autoencoder of pixels spends its latent dimensions on brightness and
position. With ``features="patches"``, latent vectors are principal components
of edges and textures. This example compares both with few labels and without
labels.
"""

# %%
# Two autoencoders
# ----------------
#
# Both autoencoders are fitted on 1,297 handwritten digits without labels. The
# other 500 digits are the test set.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images,
    digits.target,
    test_size=500,
    stratify=digits.target,
    random_state=0,
)
autoencoders = {
    "pixels": ConvAutoencoder(16, max_iter=20, random_state=0),
    "features": ConvAutoencoder(
        16, features="patches", max_iter=20, random_state=0
    ),
}
for autoencoder in autoencoders.values():
    autoencoder.fit(X_train)
Z = {
    name: (autoencoder.transform(X_train), autoencoder.transform(X_test))
    for name, autoencoder in autoencoders.items()
}

# %%
# Accuracy for numbers of labels
# ------------------------------
#
# Mean test accuracy of a support vector machine over ten random selections of
# the labeled digits.

counts = [2, 5, 10, 20, 50]
rng = np.random.default_rng(0)
shuffled = [
    [rng.permutation(np.flatnonzero(y_train == c)) for c in range(10)]
    for _ in range(10)
]


def mean_accuracy(train, test, count):
    scores = []
    for classes in shuffled:
        rows = np.concatenate([one[:count] for one in classes])
        classifier = make_pipeline(StandardScaler(), SVC(C=5))
        classifier.fit(train[rows], y_train[rows])
        scores.append(classifier.score(test, y_test))
    return np.mean(scores)


accuracies = {
    name: [mean_accuracy(*codes, count) for count in counts]
    for name, codes in Z.items()
}
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, values), style in zip(accuracies.items(), "so", strict=True):
    ax.plot(counts, values, f"{style}-", label=f"latent vectors of {name}")
ax.set(xscale="log", xlabel="labels of each class", ylabel="test accuracy")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()

# %%
# Clusters without labels
# -----------------------
#
# k-means finds ten clusters of training digits. The normalized mutual
# information compares the clusters with the classes.

for name, (train, _) in Z.items():
    kmeans = KMeans(10, n_init=10, random_state=0).fit(train)
    agreement = normalized_mutual_info_score(y_train, kmeans.labels_)
    print(f"{name:8} {agreement:.3f}")

# %%
# Reconstructions
# ---------------
#
# The decoder reconstructs pixels from both kinds of latent vectors. Those of
# features contain less detail of the pixels.

figure, axes = plt.subplots(3, 8, figsize=(8, 3.2), layout="constrained")
rows = {"test digits": X_test[:8]}
rows |= {
    name: autoencoder.reconstruct(X_test[:8])
    for name, autoencoder in autoencoders.items()
}
for panels, (name, images) in zip(axes, rows.items(), strict=True):
    panels[0].set_ylabel(name)
    for ax, image in zip(panels, images, strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
plt.show()
for name, autoencoder in autoencoders.items():
    print(f"{name:8} explained variance {autoencoder.score(X_test):.3f}")

# %%
# Guide
# -----
#
# :doc:`/guide/features` has equations, parameters and recipes.
