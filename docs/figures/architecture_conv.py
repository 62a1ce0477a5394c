"""Draw the convolutional autoencoder: patches, the linear path of pixels, and convolutions."""

from _drawing import COLORS, arrow, blank_axes, box, figure, label
from matplotlib.patches import Rectangle


def draw(path):
    """Draw the image, its patches, both paths and the reconstruction."""
    with figure(path, width=9.0, height=3.6) as (_, axes):
        blank_axes(axes, 18, 7.2)
        _image(axes, 0.2, 2.3, 2.2, 4)
        label(axes, 1.3, 1.85, "image,\ncut into patches", va="top", fontsize=9)
        arrow(axes, (2.5, 4.0), (3.4, 5.1), "blue")
        arrow(axes, (2.5, 3.0), (3.4, 2.1), "orange")
        box(axes, 3.4, 4.6, 2.6, 1.1, "principal\ncomponents", "blue", fontsize=9)
        box(axes, 3.4, 1.6, 2.6, 1.1, "convolutions,\neach halves the grid", "orange", fontsize=8.2)
        arrow(axes, (6.0, 5.1), (6.6, 4.0), "blue")
        arrow(axes, (6.0, 2.1), (6.6, 3.1), "orange")
        box(axes, 6.6, 2.9, 1.7, 1.3, "linear map\n+ residual", "gray", fontsize=9)
        arrow(axes, (8.3, 3.55), (8.75, 3.55))
        box(axes, 8.75, 2.9, 0.9, 1.3, "z", "green", fontsize=11)
        arrow(axes, (9.65, 3.55), (10.1, 3.55))
        box(axes, 10.1, 2.9, 1.7, 1.3, "linear map\n+ residual", "gray", fontsize=9)
        arrow(axes, (11.8, 4.0), (12.3, 5.1), "blue")
        arrow(axes, (11.8, 3.1), (12.3, 2.1), "orange")
        box(axes, 12.3, 4.6, 2.2, 1.1, "principal\ncomponents", "blue", fontsize=9)
        box(axes, 12.3, 1.6, 2.2, 1.1, "convolutions", "orange", fontsize=9)
        arrow(axes, (13.4, 4.6), (13.4, 2.7), "blue")
        label(axes, 14.95, 3.55, "+", fontsize=14)
        arrow(axes, (14.5, 5.1), (14.8, 3.8), "blue")
        arrow(axes, (14.5, 2.1), (14.8, 3.3), "orange")
        arrow(axes, (15.1, 3.55), (15.5, 3.55))
        _image(axes, 15.6, 2.45, 2.2, 4)
        label(axes, 16.7, 1.85, "reconstruction", va="top", fontsize=9)
        label(axes, 4.7, 6.7, "encoder", fontweight="bold")
        label(axes, 13.0, 6.7, "decoder", fontweight="bold")
        label(
            axes,
            9.0,
            0.35,
            "Blue: PCA of the pixels. Orange: convolutions; the last one starts at zero.",
            fontsize=9.5,
        )


def _image(axes, x, y, side, n_patches):
    """Draw a square with a grid of patches."""
    step = side / n_patches
    for row in range(n_patches):
        for column in range(n_patches):
            alpha = 0.12 + 0.5 * ((3 * row + 5 * column) % 7) / 7
            axes.add_patch(
                Rectangle(
                    (x + column * step, y + row * step),
                    step,
                    step,
                    facecolor=COLORS["gray"],
                    alpha=alpha,
                )
            )
            axes.add_patch(
                Rectangle(
                    (x + column * step, y + row * step),
                    step,
                    step,
                    fill=False,
                    edgecolor=COLORS["gray"],
                    linewidth=1.0,
                )
            )
