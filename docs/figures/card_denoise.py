"""Card of the landing page: a photograph with noise, and denoised."""

import numpy as np
from _style import new_figure, save, show_image
from sklearn.datasets import load_sample_images

from skae import ImageRestorer
from skae.corruptions import Gaussian


def draw(path):
    """Train on a photograph of a building, and denoise a part of a photograph of a flower.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    china, flower = load_sample_images().images
    restorer = ImageRestorer(Gaussian(0.12), n_filters=8, max_iter=30, random_state=0)
    restorer.fit(china[None])
    clean = flower[80:336, 180:436].astype(float)
    noisy = clean + np.random.default_rng(0).normal(scale=0.12 * 255, size=clean.shape)
    restored = restorer.predict(noisy[None])[0]
    figure, axes = new_figure(3.6, 2.0, ncols=2)
    for ax, image, title in zip(axes, (noisy, restored), ("noisy", "denoised"), strict=True):
        show_image(ax, np.clip(image, 0, 255).astype("uint8"), title)
    save(figure, path)
