"""
Map of text documents
=====================

Tf-idf vectors of text are sparse, with thousands of columns. They are usually
reduced by ``TruncatedSVD``, which is latent semantic analysis. This example
compares maps in two dimensions by ``TruncatedSVD``, by PCA and by an
autoencoder. All of them read the sparse matrix.
"""

# %%
# Documents
# ---------
#
# The documents are the docstrings of functions and classes of five modules of
# SciPy. Part of them is a test set.

import inspect

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.special
import scipy.stats
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import DenseAutoencoder

modules = [
    scipy.linalg,
    scipy.ndimage,
    scipy.signal,
    scipy.special,
    scipy.stats,
]
documents, labels = [], []
for module in modules:
    for name in module.__all__:
        text = inspect.getdoc(getattr(module, name)) or ""
        if len(text.split()) > 30:
            documents.append(text)
            labels.append(module.__name__)

documents_train, documents_test, y_train, y_test = train_test_split(
    documents, labels, test_size=0.4, stratify=labels, random_state=0
)
vectorizer = TfidfVectorizer(max_features=2000, sublinear_tf=True)
X_train = vectorizer.fit_transform(documents_train)
X_test = vectorizer.transform(documents_test)
n_words = X_train.nnz / X_train.shape[0]
print(f"{X_train.format} matrix {X_train.shape}, {n_words:.0f} words a row")

# %%
# Two dimensions
# --------------
#
# The 10 nearest neighbors on the map predict the module of a new document.

models = {
    "TruncatedSVD": TruncatedSVD(2, random_state=0),
    "PCA": PCA(2, svd_solver="arpack", random_state=0),
    "DenseAutoencoder": DenseAutoencoder(2, max_iter=15, random_state=0),
}
maps = {}
for name, model in models.items():
    Z_train = model.fit_transform(X_train)
    maps[name] = model.transform(X_test)
    neighbors = KNeighborsClassifier(10).fit(Z_train, y_train)
    print(f"{name:17} accuracy {neighbors.score(maps[name], y_test):.3f}")

# %%
# TruncatedSVD does not subtract the mean, so its first dimension is close to
# the mean document. PCA subtracts the mean. The autoencoder starts as this
# PCA, and its nonlinear part separates modules that overlap on the map of PCA.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for ax, (name, Z) in zip(axes, maps.items(), strict=True):
    for module in modules:
        is_module = np.array(y_test) == module.__name__
        ax.scatter(*Z[is_module].T, s=8, label=module.__name__)
    ax.set(title=name, xticks=[], yticks=[])
axes[-1].legend(fontsize="small", markerscale=2)
plt.show()

# %%
# Words of a latent vector
# ------------------------
#
# ``inverse_transform`` decodes a latent vector to tf-idf values. The words
# with the largest values above the mean describe the place on the map.

autoencoder = models["DenseAutoencoder"]
words = vectorizer.get_feature_names_out()
mean = np.asarray(X_train.mean(axis=0)).ravel()
for module in modules:
    is_module = np.array(y_test) == module.__name__
    center = np.median(
        maps["DenseAutoencoder"][is_module], axis=0, keepdims=True
    )
    deviations = autoencoder.inverse_transform(center)[0] - mean
    frequent = words[np.argsort(deviations)[::-1][:6]]
    print(f"{module.__name__:14} {', '.join(frequent)}")

# %%
# Guide
# -----
#
# :doc:`/guide/input_shapes` lists the steps that use sparse products, and the
# steps with dense results. ``reconstruct`` and ``inverse_transform`` have one
# value for each word.
