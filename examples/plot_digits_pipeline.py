"""
Codes for a classifier
======================

Does a classifier do as well on a few numbers per image as on all pixels? Here 1,797 handwritten digits of 8 x 8 pixels are
encoded by :class:`~skae.ConvAutoencoder`, and a support vector machine learns from the codes. One search picks the length
of the codes together with the parameter of the classifier, since scikit-learn can't tell this pipeline from any other.
"""

# %%
# The digits come as flat rows of 64 numbers. That 64 is 8 x 8 the autoencoder finds out by itself.

from tempfile import TemporaryDirectory

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skae import ConvAutoencoder

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# Few filters and few epochs keep this search below a minute; without them the defaults take somewhat longer and get somewhat
# further. With `memory` an autoencoder is fitted once for all values of ``clf__C``.

with TemporaryDirectory() as folder:
    autoencoder = ConvAutoencoder(n_filters=8, max_iter=15, random_state=0)
    pipeline = Pipeline([("ae", autoencoder), ("clf", SVC())], memory=folder)
    search = GridSearchCV(pipeline, {"ae__n_components": [6, 12], "clf__C": [1, 10]}, cv=2)
    search.fit(X_train, y_train)
best = search.best_estimator_
k, C = search.best_params_["ae__n_components"], search.best_params_["clf__C"]

# %%
# PCA with as many components, and the pixels themselves, go through the same classifier.

pca = PCA(k).fit(X_train)
pca_accuracy = SVC(C=C).fit(pca.transform(X_train), y_train).score(pca.transform(X_test), y_test)
pixel_accuracy = SVC(C=C).fit(X_train, y_train).score(X_test, y_test)
from_pca = pca.inverse_transform(pca.transform(X_test))
explained = r2_score(X_test, from_pca, multioutput="variance_weighted")

print(f"chosen by the search: n_components={k}, C={C}")
print(f"images found to be:   {best['ae'].image_shape_}")
print()
print("                          explained variance   accuracy")
print(
    f"{f'ConvAutoencoder, {k}':26}{best['ae'].score(X_test):18.3f}{search.score(X_test, y_test):11.3f}"
)
print(f"{f'PCA, {k}':26}{explained:18.3f}{pca_accuracy:11.3f}")
print(f"{'all 64 pixels':26}{1:18.3f}{pixel_accuracy:11.3f}")

# %%
# What remains of ten digits after the way through `k` numbers and back:

try:
    import matplotlib
except ImportError:
    print("\nNo picture: it needs matplotlib, which comes with  pip install 'skae[plot]'")
else:
    is_script = "__file__" in globals()  # not in a notebook or a gallery
    if is_script:
        matplotlib.use("Agg")  # the picture is saved, which needs no display
    import matplotlib.pyplot as plt

    chosen = [(y_test == digit).nonzero()[0][0] for digit in range(10)]
    rows = {
        "original": X_test[chosen],
        f"ConvAutoencoder, {k}": best["ae"].reconstruct(X_test[chosen]),
        f"PCA, {k}": from_pca[chosen],
    }
    figure, axes = plt.subplots(len(rows), 10, figsize=(9, 3.1), layout="constrained")
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
            ax.set(xticks=[], yticks=[])
        line[0].set_title(title, loc="left", fontsize=10)

    if is_script:
        from pathlib import Path

        picture = Path(__file__).with_suffix(".png")
        figure.savefig(picture, dpi=150)
        print(f"\nOriginals and reconstructions: {picture}")
