"""
Classification of digits in a Pipeline
======================================

Handwritten digits of 64 pixels are reduced to two latent dimensions, and a
support vector machine classifies them. The autoencoder is a step of a
scikit-learn ``Pipeline``, and ``GridSearchCV`` selects its parameters. With
two dimensions, the latent vectors can also be plotted.
"""

# %%
# Search over a Pipeline
# ----------------------
#
# With ``target_weight`` the labels are part of the training objective. The
# grid contains 0, an autoencoder without labels, so cross-validation decides
# whether the labels improve the latent vectors.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skae import DenseAutoencoder, LatentDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state=0
)

autoencoder = DenseAutoencoder(n_components=2, random_state=0)
pipeline = Pipeline([("ae", autoencoder), ("svc", SVC())])
search = GridSearchCV(pipeline, {"ae__target_weight": [0, 1]}, cv=2)
search.fit(X_train, y_train)

for parameters, score in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    strict=True,
):
    print(f"{parameters}: accuracy {score:.3f}")

# %%
# Comparison with linear methods
# ------------------------------
#
# The same classifier uses two components of PCA, two components of linear
# discriminant analysis (LDA), and all pixels. Accuracies are those of the
# test set, which no method has seen.

pca = Pipeline([("pca", PCA(2)), ("svc", SVC())])
lda = Pipeline([("lda", LinearDiscriminantAnalysis(n_components=2))])
lda.steps.append(("svc", SVC()))
models = {
    "PCA": (2, pca.fit(X_train, y_train)),
    "LDA": (2, lda.fit(X_train, y_train)),
    "DenseAutoencoder": (2, search.best_estimator_),
    "none, all pixels": (64, SVC().fit(X_train, y_train)),
}
print("dimensionality reduction   dimensions   test accuracy")
for name, (n_dimensions, model) in models.items():
    accuracy = model.score(X_test, y_test)
    print(f"{name:24}{n_dimensions:13}{accuracy:16.3f}")

# %%
# Latent space
# ------------
#
# Test digits in the two dimensions. The axes of PCA are the directions of
# largest variance, and most classes overlap. The autoencoder separates the
# ten classes.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for ax, name in zip(axes, ("PCA", "DenseAutoencoder"), strict=True):
    model = models[name][1]
    LatentDisplay.from_predictions(
        model[:-1].transform(X_test), y_test, ax=ax, scatter_kw={"s": 16}
    )
    accuracy = model.score(X_test, y_test)
    ax.set_title(f"{name}, 2 dimensions: accuracy {accuracy:.2f}")
axes[0].get_legend().remove()

# sphinx_gallery_start_ignore
# a script writes its figure; the gallery and a notebook show it
if "__file__" in globals():
    from pathlib import Path

    figure.savefig(Path(__file__).with_suffix(".png"), dpi=150)
    print(f"Figure: {Path(__file__).stem}.png")
# sphinx_gallery_end_ignore

# %%
# Guide
# -----
#
# :doc:`/guide/supervised` describes `target_weight`, and
# :doc:`/guide/classification` the use of latent vectors as features. Latent
# vectors of training samples depend on their labels, so evaluate the whole
# Pipeline by cross-validation or on a test set, as here.
