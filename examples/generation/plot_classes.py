"""
Samples of each class
=====================

A sampler that is fitted with class labels generates new digits of a requested
class. A classifier that is trained on such samples alone is compared with a
classifier that is trained on real digits.
"""

# %%
# Fit with class labels
# ---------------------
#
# :class:`~skae.LatentSampler` fits one autoencoder, and one density of its
# latent vectors per class. With ``match_quantiles=True``, each pixel of the
# samples has the distribution of this pixel in the class. The pixels of these
# images are whole numbers from 0 to 16, and those of samples are, too.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import DenseAutoencoder, LatentSampler

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)

sampler = LatentSampler(
    DenseAutoencoder(16), match_quantiles=True, random_state=0
)
sampler.fit(X_train, y_train)

# %%
# Conditional samples
# -------------------
#
# ``sample(n, y=label)`` returns samples of one class.

fig, axes = plt.subplots(10, 12, figsize=(6, 5.2))
for label, row in zip(sampler.classes_, axes, strict=True):
    digits = sampler.sample(12, y=label).reshape(-1, 8, 8)
    for ax, digit in zip(row, digits, strict=True):
        ax.imshow(digit, cmap="gray_r")
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(label, rotation=0, labelpad=10, va="center")
fig.suptitle("Samples of each class")
plt.show()

# %%
# Training on samples, testing on real digits
# -------------------------------------------
#
# Without a label, ``sample`` draws classes by their frequency, and returns the
# labels with ``return_y=True``. The accuracy of a support vector machine on
# real test digits shows how much the samples contain of the training set.

X_new, y_new = sampler.sample(len(X_train), return_y=True)
classifier = make_pipeline(StandardScaler(), SVC())
real = classifier.fit(X_train, y_train).score(X_test, y_test)
synthetic = classifier.fit(X_new, y_new).score(X_test, y_test)
print(f"trained on {len(X_train)} real digits: accuracy {real:.3f}")
print(f"trained on {len(X_new)} samples:     accuracy {synthetic:.3f}")

# %%
# Log density of a class
# ----------------------
#
# ``score_samples(X, y)`` is the log density within a class. The class with the
# largest density plus log frequency is a prediction of the class.

log_density = [sampler.score_samples(X_test, label) for label in range(10)]
joint = np.transpose(log_density) + np.log(sampler.class_prior_)
print(
    f"accuracy of the density: {(joint.argmax(axis=1) == y_test).mean():.3f}"
)
