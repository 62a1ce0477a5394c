"""Boxes and arrows of block diagrams, in data coordinates of an Axes without frame."""

from _style import BLUE, GRAY, new_figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

__all__ = ["arrow", "box", "new_diagram"]


def new_diagram(width, height):
    """Create a figure for a diagram, with one unit per inch.

    Parameters
    ----------
    width, height : float
        Size in inches, and upper limits of the axes.

    Returns
    -------
    figure : Figure
    ax : Axes
        Without frame.
    """
    figure, ax = new_figure(width, height)
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    return figure, ax


def box(ax, x, y, text, width=1.2, height=0.6, color=BLUE, size=9):
    """Draw a box with centered text.

    Parameters
    ----------
    ax : Axes
        Axes of a diagram.
    x, y : float
        Center.
    text : str
        Lines of text.
    width, height : float
        Size.
    color : str, default=BLUE
        Color of the frame.
    size : float, default=9
        Font size.
    """
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.08"
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, fc="none", ec=color, lw=1.5))
    ax.text(x, y, text, ha="center", va="center", fontsize=size)


def arrow(ax, start, stop, text=None, color=GRAY, size=8, offset=(0, 0.14), style="-"):
    """Draw an arrow with text at its middle.

    Parameters
    ----------
    ax : Axes
        Axes of a diagram.
    start, stop : (float, float)
        Ends.
    text : str, default=None
        Label.
    color : str, default=GRAY
        Color of the arrow.
    size : float, default=8
        Font size.
    offset : (float, float)
        Position of the label, relative to the middle.
    style : str, default="-"
        Line style.
    """
    ax.add_patch(
        FancyArrowPatch(
            start,
            stop,
            arrowstyle="-|>",
            mutation_scale=10,
            shrinkA=0,
            shrinkB=0,
            color=color,
            lw=1.2,
            ls=style,
        )
    )
    if text is not None:
        x = (start[0] + stop[0]) / 2 + offset[0]
        y = (start[1] + stop[1]) / 2 + offset[1]
        ax.text(x, y, text, ha="center", va="center", fontsize=size)
