"""Plot the learning rate of each step: linear warm-up, then linear decay."""

import numpy as np
from _drawing import COLORS, figure

from skae._training.learning_rate import learning_rate_factor

N_STEPS = 400
WARM_UP = 0.25


def draw(path):
    """Plot the factor of the learning rate from the first step to the last."""
    steps = np.arange(N_STEPS)
    factors = [learning_rate_factor(step, N_STEPS, WARM_UP) for step in steps]
    with figure(path, width=6.0, height=2.5) as (_, axes):
        axes.plot(steps / N_STEPS, factors, color=COLORS["blue"])
        axes.axvline(WARM_UP, color=COLORS["gray"], linestyle=":")
        axes.text(0.125, 0.08, "warm-up", ha="center")
        axes.text(0.62, 0.08, "decay to zero", ha="center")
        axes.set(
            xlim=(0, 1),
            ylim=(0, 1.08),
            xticks=[0, 0.25, 0.5, 0.75, 1],
            yticks=[0, 1],
            xlabel="fraction of all steps",
            ylabel="learning rate",
        )
        axes.set_yticklabels(["0", "learning_rate_init_"])
