"""Card of the landing page: generated digits."""

from _style import new_figure, save, show_image
from sklearn.datasets import load_digits

from skae import DenseAutoencoder, LatentSampler


def draw(path):
    """Plot samples of a density of latent vectors.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    X = load_digits().data
    sampler = LatentSampler(DenseAutoencoder(12, random_state=0), random_state=0)
    images = sampler.fit(X).sample(28)
    images = images[0] if isinstance(images, tuple) else images
    figure, axes = new_figure(3.6, 2.1, nrows=4, ncols=7)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for ax, image in zip(axes.flat, images, strict=True):
        show_image(ax, image.reshape(8, 8), vmin=0, vmax=16)
    save(figure, path)
