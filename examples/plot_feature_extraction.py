"""
Features for a classifier, when labels are rare
===============================================

Images are plenty, and labels cost somebody's time. An autoencoder needs none: it learns from all images what they have in
common, and describes each by a few numbers. Do eight of these say as much as 64 pixels?
"""

# %%
# Codes without labels
# --------------------
#
# There are 1,797 digits. 500 are kept for the test. From the others two descriptions by eight numbers are learned, without
# looking at a label: scores of PCA, and codes of an autoencoder.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder, LatentDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=500, stratify=y, random_state=0)

descriptions = {
    "64 pixels": FunctionTransformer(),
    "PCA, 8 numbers": PCA(8),
    "autoencoder, 8": ConvAutoencoder(8, n_filters=8, max_iter=20, random_state=0),
}
codes = {
    name: (one.fit(X_train).transform(X_train), one.transform(X_test))
    for name, one in descriptions.items()
}

# %%
# Few labels
# ----------
#
# Somebody has labelled 2, 5, 10 or 50 digits of each kind. A support vector machine learns from these alone; means over 20
# draws.

rng = np.random.default_rng(0)
counts = [2, 5, 10, 50]
colours = ["black", "tab:gray", "tab:blue"]
accuracies = {name: [] for name in codes}
for count in counts:
    draws = [
        np.concatenate([rng.permutation(np.flatnonzero(y_train == c))[:count] for c in range(10)])
        for _ in range(20)
    ]
    for name, (train, test) in codes.items():
        found = [SVC(C=10).fit(train[some], y_train[some]).score(test, y_test) for some in draws]
        accuracies[name].append(np.mean(found))

figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
print("labels of each kind ", *(f"{count:6}" for count in counts))
for (name, values), colour in zip(accuracies.items(), colours, strict=True):
    ax.plot(counts, values, "o-", color=colour, label=name)
    print(f"{name:20}", *(f"{value:6.3f}" for value in values))
ax.set(xscale="log", xlabel="labels of each kind", ylabel="accuracy, test digits")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()

# %%
# Neighbours
# ----------
#
# With all labels, the nearest neighbours of a test digit may vote on what it is.

print("neighbours          ", *(f"{k:6}" for k in (3, 11, 31)))
for name, (train, test) in codes.items():
    found = [KNeighborsClassifier(k).fit(train, y_train).score(test, y_test) for k in (3, 11, 31)]
    print(f"{name:20}", *(f"{value:6.3f}" for value in found))

# %%
# The same without labels is a search for look-alikes. Left, digits that were asked for; in each line the eight nearest of the
# others, by their codes. Those of another kind are framed in red: who writes oddly finds what looks alike, and means another
# digit.

train, test = codes["autoencoder, 8"]
asked = [np.flatnonzero(y_test == digit)[0] for digit in (1, 3, 4, 8, 9)]
nearest = NearestNeighbors(n_neighbors=8).fit(train).kneighbors(test[asked], return_distance=False)
figure, axes = plt.subplots(len(asked), 9, figsize=(9, 5.2), layout="constrained")
for line, one, others in zip(axes, asked, nearest, strict=True):
    for ax, image, label in zip(
        line, [X_test[one], *X_train[others]], [y_test[one], *y_train[others]], strict=True
    ):
        ax.imshow(image.reshape(8, 8), cmap="gray_r")
        ax.set(xticks=[], yticks=[])
        if label != y_test[one]:
            ax.spines[:].set(color="tab:red", linewidth=3)
axes[0, 0].set_title("asked for", fontsize=10)
axes[0, 1].set_title("nearest", fontsize=10)
plt.show()

# %%
# Labels in the codes
# -------------------
#
# Where there are labels, codes may as well know of them: with ``target_weight`` a small network guesses the label from the code
# while training. Two numbers for each digit, first without and then with labels. These are test digits, whose labels were not
# seen.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for ax, weight in zip(axes, (0.0, 1.0), strict=True):
    autoencoder = DenseAutoencoder(2, target_weight=weight, random_state=0).fit(X_train, y_train)
    LatentDisplay.from_estimator(autoencoder, X_test, y_test, ax=ax)
    accuracy = (
        KNeighborsClassifier(11)
        .fit(autoencoder.transform(X_train), y_train)
        .score(autoencoder.transform(X_test), y_test)
    )
    ax.set_title(f"target_weight={weight}: 11 neighbours are right for {accuracy:.1%}", fontsize=10)
plt.show()

# %%
# Eight numbers of an autoencoder are about level with all 64 pixels here, and well ahead of eight of PCA's. On larger images,
# where pixels say less by themselves, they gain more: the benchmarks have MNIST and Fashion-MNIST. As with linear discriminant
# analysis, codes of rows whose labels were seen look better than they are, so judge a pipeline with ``target_weight`` by
# cross-validation.
