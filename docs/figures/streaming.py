"""One epoch of a streamed fit: blocks on disk, two buffers in memory, and batches."""

import numpy as np
from _diagram import arrow, new_diagram
from _style import COLORS, GRAY, save
from matplotlib.patches import Rectangle

N_BLOCKS = 12
BLOCKS_PER_BUFFER = 4


def rows(ax, x, y, numbers, width, height, cell=0.085):
    """Draw rows as a stack of thin rectangles, colored by their block.

    Parameters
    ----------
    ax : Axes
        Axes of the diagram.
    x, y : float
        Upper left corner.
    numbers : sequence of int
        Block of each row.
    width, height : float
        Width of a row, and height of the stack.
    cell : float
        Ignored if the stack has more rows than fit.
    """
    step = height / len(numbers)
    for i, number in enumerate(numbers):
        corner = (x, y - (i + 1) * step)
        color = COLORS[number % len(COLORS)]
        ax.add_patch(Rectangle(corner, width, 0.8 * min(step, cell), color=color, lw=0))


def draw(path):
    """Draw the diagram.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    figure, ax = new_diagram(7.6, 3.4)
    generator = np.random.default_rng(1)
    order = generator.permutation(N_BLOCKS)
    rows(ax, 0.3, 2.75, np.repeat(np.arange(N_BLOCKS), 3), 0.9, 2.5)
    ax.text(0.75, 2.95, "X on disk:\nblocks of neighbors", ha="center", va="bottom", fontsize=9)
    first = order[:BLOCKS_PER_BUFFER]
    following = order[BLOCKS_PER_BUFFER : 2 * BLOCKS_PER_BUFFER]
    rows(ax, 3.0, 2.75, np.repeat(following, 3), 0.9, 1.0)
    rows(ax, 3.0, 1.25, generator.permutation(np.repeat(first, 3)), 0.9, 1.0)
    for top in (2.79, 1.29):
        frame = Rectangle((2.9, top - 1.06), 1.1, 1.1, fc="none", ec=GRAY, lw=1.2)
        ax.add_patch(frame)
    ax.text(
        3.45, 2.95, "next buffer, 64 MiB\n(read by a thread)", ha="center", va="bottom", fontsize=9
    )
    ax.text(3.45, 0.08, "present buffer, 64 MiB: shuffled", ha="center", va="center", fontsize=9)
    arrow(ax, (1.3, 1.9), (2.8, 2.3), "random order", offset=(0, 0.32))
    arrow(ax, (3.45, 1.7), (3.45, 1.33))
    shuffled = generator.permutation(np.repeat(first, 3))
    for i in range(3):
        x = 5.0 + 0.85 * i
        rows(ax, x, 1.05, shuffled[4 * i : 4 * i + 4], 0.6, 0.5)
        ax.text(x + 0.3, 1.18, f"batch {i + 1}", ha="center", va="bottom", fontsize=8)
    arrow(ax, (4.1, 0.8), (4.85, 0.8))
    ax.text(
        6.15,
        2.25,
        "In memory: two buffers,\nthe validation set, the network,\nand one batch",
        ha="center",
        va="center",
        fontsize=9,
    )
    save(figure, path)
