"""
What the correction adds to PCA
===============================

An autoencoder of this library starts as PCA and departs from it where rows held out say that it pays. How much does it gain
at each length of the code, and how many numbers are enough? Errors are of rows that no method has seen.
"""

# %%
# Three ways to codes of 1 to 32 numbers: PCA; an autoencoder for each length; and a single one whose codes are ordered, so that
# the first numbers of a code are the best short code; its decoder takes codes that were cut off.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import DenseAutoencoder

X_train, X_test = train_test_split(load_digits().data, random_state=0)
lengths = [1, 2, 4, 8, 16, 32]
autoencoders = [DenseAutoencoder(k, random_state=0).fit(X_train) for k in lengths]
errors = [autoencoder.reconstruction_error(X_test).mean() for autoencoder in autoencoders]
pcas = [PCA(k).fit(X_train) for k in lengths]
pca_errors = [
    np.square(X_test - pca.inverse_transform(pca.transform(X_test))).mean() for pca in pcas
]

ordered = DenseAutoencoder(32, bottleneck="ordered", random_state=0).fit(X_train)
codes = ordered.transform(X_test)
ordered_errors = [
    np.square(X_test - ordered.inverse_transform(codes[:, :k])).mean() for k in lengths
]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(lengths, pca_errors, "o-", color="tab:gray", label="PCA")
left.plot(lengths, ordered_errors, "s--", color="tab:green", label="one ordered autoencoder")
left.plot(lengths, errors, "o-", color="tab:blue", label="one autoencoder for each length")
left.set(
    xscale="log", xlabel="n_components", ylabel="mean squared error, test rows", ylim=(0, None)
)
left.set_xticks(lengths, lengths)
left.minorticks_off()
left.legend(frameon=False)

autoencoder = autoencoders[3]
looks = np.linspace(0, autoencoder.n_iter_, len(autoencoder.validation_scores_))
right.plot(looks, autoencoder.validation_scores_, "o-", color="tab:blue")
right.axhline(autoencoder.validation_scores_[0], color="tab:gray", linestyle="--")
right.annotate(
    "PCA",
    (looks[-1], autoencoder.validation_scores_[0]),
    (0, 4),
    textcoords="offset points",
    ha="right",
)
right.set(xlabel="epoch", ylabel="share explained, rows held out", title="n_components=8")
plt.show()

# %%
# With few components a straight subspace misses most of what the digits have in common, and the correction gains much; with
# many there is little left to gain. One ordered fit follows six separate ones up to 16 numbers. At its full length it pays for
# the order, and PCA, which pays nothing for it, is better.
#
# On the right, the scores of the rows held out while the autoencoder with 8 components was trained. The first score, before the
# first epoch, is that of PCA. In numbers:

print("n_components      PCA   ordered  for each length  best epoch")
for k, before, short, after, one in zip(
    lengths, pca_errors, ordered_errors, errors, autoencoders, strict=True
):
    print(f"{k:12} {before:8.3f} {short:9.3f} {after:16.3f} {one.best_iter_:11}")
