"""Logo and favicon: an encoder that narrows, a latent vector, and a decoder that widens.

Run this file to write the pictures of ``docs/_static`` again:

    python docs/figures/logo.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
from _style import BLUE, ORANGE, save
from matplotlib.patches import Polygon, Rectangle

STATIC = Path(__file__).parent.parent / "_static"
TEXT_COLORS = {"light": "#22303c", "dark": "#e6edf3"}


def mark(ax):
    """Plot the symbol in a square from 0 to 1.

    Parameters
    ----------
    ax : Axes
        With limits that contain the square.
    """
    encoder = [(0.04, 0.06), (0.04, 0.94), (0.4, 0.66), (0.4, 0.34)]
    ax.add_patch(Polygon(encoder, color=BLUE, lw=0))
    ax.add_patch(Polygon([(1 - x, y) for x, y in encoder], color=BLUE, lw=0, alpha=0.75))
    ax.add_patch(Rectangle((0.45, 0.36), 0.1, 0.28, color=ORANGE, lw=0))


def logo(path, color):
    """Draw the symbol and the name.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    color : str
        Of the name.
    """
    plt.rcParams["svg.fonttype"] = "path"
    plt.rcParams["svg.hashsalt"] = "skae"
    figure = plt.figure(figsize=(3.1, 1), facecolor="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 3.1), ylim=(0, 1))
    ax.set_axis_off()
    mark(ax)
    ax.text(1.2, 0.5, "skae", color=color, fontsize=50, fontweight="bold", va="center_baseline")
    save(figure, path)


def favicon(path):
    """Draw the symbol only.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    plt.rcParams["svg.hashsalt"] = "skae"
    figure = plt.figure(figsize=(1, 1), facecolor="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_axis_off()
    mark(ax)
    save(figure, path)


def draw(path):
    """Draw the logo of light pages.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    logo(path, TEXT_COLORS["light"])


if __name__ == "__main__":
    for theme, color in TEXT_COLORS.items():
        logo(STATIC / f"logo-{theme}.svg", color)
    favicon(STATIC / "favicon.svg")
