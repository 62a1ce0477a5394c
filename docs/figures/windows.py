"""Windows of a time series, and the array of windows."""

import numpy as np
from _style import BLUE, COLORS, GRAY, new_figure, save
from matplotlib.patches import Rectangle

LENGTH, STEP, N_WINDOWS = 40, 20, 5


def draw(path):
    """Draw a series with its windows, and the windows below each other.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    figure, (above, below) = new_figure(7, 4.2, nrows=2, height_ratios=[1, 1.3])
    time = np.arange(LENGTH + (N_WINDOWS - 1) * STEP)
    series = np.sin(time / 6) + 0.4 * np.sin(time / 2.3)
    above.plot(time, series, color=GRAY)
    for i in range(N_WINDOWS):
        y = -1.75 - 0.28 * i
        above.plot([i * STEP, i * STEP + LENGTH - 1], [y, y], color=COLORS[i], lw=3)
    above.annotate("", (STEP, -1.45), (0, -1.45), arrowprops={"arrowstyle": "<->", "color": GRAY})
    above.text(STEP / 2, -1.4, "step s", ha="center", va="bottom")
    above.set(xlabel="time step", yticks=[], ylim=(-3.1, 1.7), title="series of length T")
    for i in range(N_WINDOWS):
        part = series[i * STEP : i * STEP + LENGTH]
        below.plot(np.arange(LENGTH), 0.3 * part - i, color=COLORS[i])
        below.text(-1.5, -i, f"X[{i}]", ha="right", va="center")
    below.add_patch(
        Rectangle((-0.5, -N_WINDOWS + 0.45), LENGTH, N_WINDOWS, fc="none", ec=BLUE, lw=1.2)
    )
    below.set(
        xlim=(-6, 60), ylim=(-N_WINDOWS + 0.3, 0.6), xticks=[0, LENGTH - 1], yticks=[], title=""
    )
    below.set_xticklabels(["0", "w - 1"])
    below.text(LENGTH + 2, -2, "array of windows\n(n_windows, w)", va="center")
    below.spines["left"].set_visible(False)
    save(figure, path)
