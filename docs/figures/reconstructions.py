"""Picture of the README: ten test digits, and their reconstructions from 8 numbers by an autoencoder and by PCA.

Run this file to write ``docs/_static/reconstructions.png`` again:

    python docs/figures/reconstructions.py
"""

from pathlib import Path

import numpy as np
from _style import new_figure, save
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import DenseAutoencoder

PICTURE = Path(__file__).parent.parent / "_static" / "reconstructions.png"


def draw(path):
    """Fit both models of the README's example, and draw.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    X, y = load_digits(return_X_y=True)
    X_train, X_test, _, y_test = train_test_split(X, y, random_state=0)
    indices = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
    lines = [("test images", X_test[indices], None)]
    for name, model in (
        ("DenseAutoencoder", DenseAutoencoder(8, random_state=0)),
        ("PCA", PCA(8)),
    ):
        X_hat = model.inverse_transform(model.fit(X_train).transform(X_test))
        lines.append((name, X_hat[indices], np.mean((X_test - X_hat) ** 2)))

    figure, axes = new_figure(7.2, 2.2, nrows=3, ncols=11, width_ratios=[2.6] + [1] * 10)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for row, (name, images, error) in zip(axes, lines, strict=True):
        text = name if error is None else f"{name}\nerror {error:.1f}"
        row[0].text(1, 0.5, text, ha="right", va="center", transform=row[0].transAxes)
        row[0].set_axis_off()
        for ax, image in zip(row[1:], images, strict=True):
            ax.imshow(image.reshape(8, 8), cmap="gray", vmin=0, vmax=16)
            ax.set_axis_off()
    save(figure, path)


if __name__ == "__main__":
    draw(PICTURE)
