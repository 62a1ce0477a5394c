"""
Classification with few labels
==============================

Labels are often expensive, and unlabeled samples are not. An autoencoder
learns from all samples, and a classifier learns from the latent vectors of
the labeled samples. This example compares latent vectors with PCA and with
the original pixels, for 2 to 20 labels of each class.
"""

# %%
# Transformers without labels
# ---------------------------
#
# The transformers are fitted on 1,297 handwritten digits without labels. The
# other 500 digits are the test set.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skae import DenseAutoencoder

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=500, stratify=y, random_state=0
)

transformers = {
    "PCA, 4 dimensions": PCA(4),
    "autoencoder, 4 dimensions": DenseAutoencoder(4, random_state=0),
    "PCA, 8 dimensions": PCA(8),
    "autoencoder, 8 dimensions": DenseAutoencoder(8, random_state=0),
    "64 pixels": FunctionTransformer(),
}
Z = {
    name: (one.fit(X_train).transform(X_train), one.transform(X_test))
    for name, one in transformers.items()
}

# %%
# Accuracy for numbers of labels
# ------------------------------
#
# Mean test accuracy of a support vector machine over 20 random selections of
# the labeled digits.

counts = [2, 5, 10, 20]
rng = np.random.default_rng(0)


def select(count):
    classes = [
        rng.permutation(np.flatnonzero(y_train == c)) for c in range(10)
    ]
    return np.concatenate([rows[:count] for rows in classes])


selections = {count: [select(count) for _ in range(20)] for count in counts}


def mean_accuracy(train, test, count):
    scores = [
        SVC(C=10).fit(train[rows], y_train[rows]).score(test, y_test)
        for rows in selections[count]
    ]
    return np.mean(scores)


accuracies = {
    name: [mean_accuracy(*arrays, count) for count in counts]
    for name, arrays in Z.items()
}
print("labels of each class     " + "".join(f"{n:8}" for n in counts))
for name, values in accuracies.items():
    print(f"{name:25}" + "".join(f"{value:8.3f}" for value in values))

# %%
# The same accuracies as a figure. Eight latent dimensions carry about as much
# information for the classifier as 64 pixels.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
styles = ["o--", "o-", "s--", "s-", ":"]
colors = ["tab:orange", "tab:blue", "tab:orange", "tab:blue", "black"]
for (name, values), style, color in zip(
    accuracies.items(), styles, colors, strict=True
):
    ax.plot(counts, values, style, color=color, label=name)
ax.set(xscale="log", xlabel="labels of each class", ylabel="test accuracy")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()

# %%
# Nearest neighbors without labels
# --------------------------------
#
# Latent vectors also serve for a search of similar images. Each row shows one
# test digit and its eight nearest training digits, by the distance of eight
# latent dimensions. Neighbors of another class have a red frame.

for name in ("PCA, 8 dimensions", "autoencoder, 8 dimensions"):
    train, test = Z[name]
    search = NearestNeighbors(n_neighbors=8).fit(train)
    nearest = search.kneighbors(test, return_distance=False)
    same = np.mean(y_train[nearest] == y_test[:, None])
    print(f"{name:25} neighbors of the same class: {same:.1%}")

queries = [np.flatnonzero(y_test == digit)[0] for digit in (1, 3, 4, 8, 9)]
figure, axes = plt.subplots(5, 9, figsize=(8, 4.8), layout="constrained")
for row, query in zip(axes, queries, strict=True):
    row[0].imshow(X_test[query].reshape(8, 8), cmap="gray_r")
    for ax, i in zip(row[1:], nearest[query], strict=True):
        ax.imshow(X_train[i].reshape(8, 8), cmap="gray_r")
        if y_train[i] != y_test[query]:
            ax.spines[:].set(color="tab:red", linewidth=3)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
axes[0, 0].set_title("query", fontsize=10)
axes[0, 1].set_title("nearest", fontsize=10)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/classification` describes Pipelines, the scale of latent
# vectors and clustering. :doc:`/guide/supervised` describes latent vectors
# that depend on labels.
