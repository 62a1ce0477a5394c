"""Autoencoders and image files shared by the tests of the data sets."""

from PIL import Image

from skae import ConvAutoencoder

N = 60


def conv(**parameters):
    """Create a small convolutional autoencoder."""
    return ConvAutoencoder(
        3, **{"max_iter": 2, "n_filters": 2, "random_state": 0, "batch_size": 16, **parameters}
    )


def write(path, size=(6, 4), color=(200, 100, 0), mode="RGB"):
    """Write an image of one color and of `size` (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).convert(mode).save(path)
    return path
