"""Tiles of a large image: the network receives each tile with a margin."""

import numpy as np
from _style import BLUE, GRAY, ORANGE, new_figure, save
from matplotlib.patches import Rectangle

HEIGHT, WIDTH, TILE, MARGIN = 1100, 1700, 512, 72


def draw(path):
    """Draw the tiles of an image of 1,100 x 1,700 pixels.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    figure, ax = new_figure(6.6, 3.0)
    ax.add_patch(Rectangle((0, 0), WIDTH, HEIGHT, fc="none", ec=GRAY, lw=1.5))
    for x in np.arange(TILE, WIDTH, TILE):
        ax.plot([x, x], [0, HEIGHT], color=GRAY, lw=0.8)
    for y in np.arange(TILE, HEIGHT, TILE):
        ax.plot([0, WIDTH], [y, y], color=GRAY, lw=0.8)
    # the margin ends at the border of the image
    side = min(TILE + 2 * MARGIN, HEIGHT - TILE + MARGIN)
    corner = (TILE - MARGIN, TILE - MARGIN)
    window = Rectangle(corner, TILE + 2 * MARGIN, side, fc="none", ec=ORANGE, lw=2, ls="--")
    ax.add_patch(window)
    ax.add_patch(Rectangle((TILE, TILE), TILE, TILE, fc=BLUE, ec=BLUE, alpha=0.35, lw=2))
    ax.text(1.5 * TILE, 1.5 * TILE, "tile\n512 pixels", ha="center", va="center")
    ax.annotate(
        "input of the network:\ntile with margins\nof 72 pixels",
        (TILE + TILE + MARGIN, TILE + 120),
        (WIDTH + 60, TILE * 0.75),
        ha="left",
        va="center",
        color=ORANGE,
        arrowprops={"arrowstyle": "-|>", "color": ORANGE},
    )
    ax.text(12, 40, "image 1100 x 1700", ha="left", va="top")
    ax.set(xlim=(-20, WIDTH + 900), ylim=(HEIGHT + 20, -20), aspect="equal")
    ax.set_axis_off()
    save(figure, path)
