"""Draw pairs of a denoising autoencoder: clean images, inputs with noise, and reconstructions."""

import numpy as np
from _drawing import COLORS, figure, mosaic
from sklearn.datasets import load_digits

from skae import DenseAutoencoder
from skae.corruptions import Gaussian

N_IMAGES = 9
LEVEL = 0.7


def draw(path):
    """Train on digits with noise, and reconstruct noisy digits that were not used in training."""
    X = load_digits().data
    train, test = X[:1500], X[1500 : 1500 + N_IMAGES]
    noise = np.random.default_rng(0).normal(size=test.shape)
    noisy = test + LEVEL * np.sqrt(train.var(0).mean()) * noise
    autoencoder = DenseAutoencoder(24, corruption=Gaussian(level=(0.0, 1.0)), random_state=0)
    restored = autoencoder.fit(train).reconstruct(noisy)
    rows = [("clean", test), ("noisy input", noisy), ("reconstruction", restored)]
    with figure(path, width=8.0, height=3.0) as (_, axes):
        images = np.concatenate([samples for _, samples in rows]).reshape(-1, 8, 8)
        axes.imshow(mosaic(images, N_IMAGES), cmap="gray_r", vmin=0, vmax=16)
        axes.set(xticks=[], yticks=[4.5, 14.5, 24.5])
        axes.set_yticklabels([name for name, _ in rows], color=COLORS["gray"])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
