"""
Looking inside an autoencoder
=============================

What does an autoencoder keep of an image, what does it lose, and what did its training do? Five displays answer for handwritten
digits. They are used as those of scikit-learn are.
"""

# %%
# Few epochs and 6 numbers for each image of 64 are enough to look at.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    LatentDisplay,
    ReconstructionDisplay,
    SpectrumDisplay,
    TrainingDisplay,
    TraversalDisplay,
)

digits = load_digits()
train, test, y_test = digits.images[:1300], digits.images[1300:], digits.target[1300:]
autoencoder = ConvAutoencoder(n_components=6, n_filters=8, max_iter=12, random_state=0).fit(train)

# %%
# Digits that it has not seen, what comes back, and what is too dark (blue) or too bright (red):

ReconstructionDisplay.from_estimator(autoencoder, test)
plt.show()

# %%
# The codes, in their first two principal components. Images are drawn where there is room:

LatentDisplay.from_estimator(autoencoder, test, y_test, thumbnails=True)
plt.show()

# %%
# What each number of the code does, from the mean code, in standard deviations:

TraversalDisplay.from_estimator(autoencoder, train)
plt.show()

# %%
# The training: the loss, and the share of the variance explained on digits held out. It starts as PCA.

TrainingDisplay.from_estimator(autoencoder)
plt.show()

# %%
# With ordered codes, one fit says how much each number of components explains:

rows, others = train.reshape(len(train), -1), test.reshape(len(test), -1)
ordered = DenseAutoencoder(n_components=12, bottleneck="ordered", max_iter=15, random_state=0).fit(
    rows
)
SpectrumDisplay.from_estimator(ordered, others, X_train=rows)
plt.show()
