"""Card of the landing page: a photograph, before and after compression in tiles."""

import numpy as np
from _style import new_figure, save, show_image
from sklearn.datasets import load_sample_images

from skae import ConvAutoencoder, LatentCodec


def draw(path):
    """Fit a codec on a photograph of a building, and compress a part of a photograph of a flower.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    china, flower = (image.mean(-1).astype("uint8") for image in load_sample_images().images)
    codec = LatentCodec(ConvAutoencoder(16, max_iter=10, random_state=0), tile=8, random_state=0)
    codec.fit([china])
    image = flower[80:336, 180:436]
    message = codec.compress([image])
    decoded = np.asarray(codec.decompress(message)[0])
    figure, axes = new_figure(3.6, 2.0, ncols=2)
    titles = (f"original, {image.size / 1024:.0f} KiB", f"decoded, {len(message) / 1024:.1f} KiB")
    for ax, picture, title in zip(axes, (image, decoded), titles, strict=True):
        show_image(ax, picture, title, vmin=0, vmax=255)
    save(figure, path)
