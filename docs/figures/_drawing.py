"""Boxes, arrows and rows of panels for the figures of the guide, in the style of `_style`."""

from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
from _style import BLUE, GRAY, GREEN, ORANGE, PURPLE, RED, new_figure, save
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

__all__ = ["COLORS", "INK", "arrow", "blank_axes", "box", "figure", "label", "mosaic"]

INK = GRAY

COLORS = {
    "blue": BLUE,
    "orange": ORANGE,
    "green": GREEN,
    "red": RED,
    "purple": PURPLE,
    "gray": GRAY,
}
"""Colors of lines and boxes by name."""


@contextmanager
def figure(path, n_columns=1, *, width=7.0, height=3.0, **kwargs):
    """Create a figure with a row of axes, and save it on exit."""
    with plt.rc_context():
        drawing, axes = new_figure(width, height, ncols=n_columns, **kwargs)
        yield drawing, axes
        save(drawing, path)


def blank_axes(axes, width, height):
    """Set the limits of axes for a drawing of boxes, without ticks and frame."""
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_aspect("equal")
    axes.axis("off")


def box(axes, x, y, width, height, text, color="gray", *, fontsize=10):
    """Draw a rounded box with centered text; (x, y) is the lower left corner."""
    patch = FancyBboxPatch(
        (x, y),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.12",
        linewidth=1.3,
        edgecolor=COLORS[color],
        facecolor=to_rgba(COLORS[color], 0.04 if color == "gray" else 0.12),
    )
    axes.add_patch(patch)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=fontsize)


def arrow(axes, start, end, color="gray", *, style="-|>", bend=0.0):
    """Draw an arrow between two points."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=11,
            linewidth=1.3,
            color=COLORS[color],
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
        )
    )


def label(axes, x, y, text, color="gray", **kwargs):
    """Write text centered on a point."""
    options = {"ha": "center", "va": "center", **kwargs}
    axes.text(x, y, text, color=COLORS[color], **options)


def mosaic(images, n_columns):
    """Arrange images (n, h, w) in rows of `n_columns`, with a transparent margin of one pixel."""
    margin = ((0, 0), (1, 1), (1, 1))
    padded = np.pad(np.asarray(images, float), margin, constant_values=np.nan)
    n, h, w = padded.shape
    grid = padded.reshape(n // n_columns, n_columns, h, w)
    return grid.transpose(0, 2, 1, 3).reshape(-1, n_columns * w)
