"""How a row with missing values passes through an autoencoder."""

from _diagram import arrow, box, new_diagram
from _style import BLUE, GRAY, GREEN, ORANGE, RED, save
from matplotlib.patches import Rectangle


def row(ax, x, y, cells, colors, width=0.42):
    """Draw a row of cells with text.

    Parameters
    ----------
    ax : Axes
        Axes of the diagram.
    x, y : float
        Left end, and center.
    cells : sequence of str
        Text of each cell.
    colors : sequence of str
        Frame of each cell.
    width : float
        Width of a cell.
    """
    for i, (text, color) in enumerate(zip(cells, colors, strict=True)):
        corner = (x + i * width, y - 0.16)
        ax.add_patch(Rectangle(corner, width * 0.92, 0.32, fc="none", ec=color, lw=1.3))
        ax.text(x + (i + 0.46) * width, y, text, ha="center", va="center", fontsize=8)


def draw(path):
    """Draw the diagram.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    figure, ax = new_diagram(7.6, 2.7)
    colors = [GRAY, RED, GRAY, RED]
    row(ax, 0.1, 1.9, ["1.2", "NaN", "0.3", "NaN"], colors)
    ax.text(0.93, 2.25, "sample", ha="center", fontsize=9)
    box(ax, 2.85, 1.9, "conditional mean\n$E[x_m | x_o]$", width=1.3, color=ORANGE)
    row(ax, 3.8, 1.9, ["1.2", "0.8", "0.3", "0.1"], colors)
    ax.text(4.63, 2.25, "imputed", ha="center", fontsize=9)
    row(ax, 3.8, 0.9, ["0", "1", "0", "1"], colors)
    ax.text(4.63, 0.52, "mask", ha="center", fontsize=9)
    box(ax, 6.35, 1.4, "autoencoder", width=1.1, color=BLUE)
    arrow(ax, (1.82, 1.9), (2.17, 1.9))
    arrow(ax, (3.52, 1.9), (3.77, 1.9))
    arrow(ax, (0.93, 1.7), (3.75, 0.9))
    arrow(ax, (5.5, 1.9), (5.78, 1.5))
    arrow(ax, (5.5, 0.9), (5.78, 1.3))
    arrow(ax, (6.92, 1.4), (7.25, 1.4))
    ax.text(7.42, 1.4, "$\\hat{x}$", ha="center", va="center", fontsize=11)
    ax.text(6.6, 0.35, "loss of observed\nvalues only", ha="center", va="center", color=GREEN)
    arrow(ax, (7.3, 1.2), (6.9, 0.6), color=GREEN)
    save(figure, path)
