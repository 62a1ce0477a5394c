"""Style of the figures: transparent background, and colors that can be read on white and on dark pages.

A script of this folder defines ``draw(path)``. The build of the documentation calls it with the path of an SVG file:

    from _style import BLUE, new_figure, save

    def draw(path):
        figure, ax = new_figure(6, 3)
        ax.plot([0, 1], [0, 1], color=BLUE)
        save(figure, path)
"""

import matplotlib.pyplot as plt

GRAY = "#777777"
BLUE = "#3b82c4"
ORANGE = "#e07b26"
GREEN = "#3a9d5d"
RED = "#d1495b"
PURPLE = "#8e6bbf"
COLORS = [BLUE, ORANGE, GREEN, RED, PURPLE]
"""Contrast of at least 3:1 with white and with the theme's dark background, #14181e."""

PARAMETERS = {
    "axes.edgecolor": GRAY,
    "axes.facecolor": "none",
    "axes.labelcolor": GRAY,
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GRAY,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.size": 9,
    "legend.frameon": False,
    "legend.labelcolor": GRAY,
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "skae",
    "text.color": GRAY,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
}


def new_figure(width, height, **parameters):
    """Create a figure in this style.

    Parameters
    ----------
    width, height : float
        Size in inches.
    **parameters
        Passed to ``plt.subplots``, such as ``ncols=2``.

    Returns
    -------
    figure : Figure
    axes : Axes or ndarray of Axes
    """
    plt.rcParams.update(PARAMETERS)
    return plt.subplots(figsize=(width, height), **parameters)


def show_image(ax, image, title=None, **parameters):
    """Plot an image without ticks and frame.

    Parameters
    ----------
    ax : Axes
        Where to plot.
    image : ndarray
        Gray or RGB.
    title : str, default=None
        Text above the image.
    **parameters
        Passed to ``ax.imshow``.
    """
    ax.imshow(image, **({"cmap": "gray", "interpolation": "nearest"} | parameters))
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title)


def save(figure, path):
    """Save a figure without date, so that equal figures are equal files.

    Parameters
    ----------
    figure : Figure
        Closed afterwards.
    path : Path or str
        An SVG or PNG file.
    """
    metadata = {"Date": None} if str(path).endswith(".svg") else {"Software": None}
    figure.savefig(path, metadata=metadata, dpi=150)
    plt.close(figure)
