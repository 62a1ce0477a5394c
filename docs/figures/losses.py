"""Plot the loss of one value: five losses of the error, and the log loss."""

import torch
from _drawing import COLORS, figure

from skae.losses import AbsoluteError, Huber, LogLoss, SquaredError


def draw(path):
    """Plot losses of the error at the left, and the log loss of three targets at the right."""
    error = torch.linspace(-3, 3, 301)
    zero = torch.zeros_like(error)
    with figure(path, 2, width=9.0, height=3.4) as (_, (left, right)):
        curves = [
            ("squared_error", SquaredError(), "blue", "-"),
            ("absolute_error", AbsoluteError(), "orange", "-"),
            ("huber, delta=1", Huber(), "green", "-"),
            ("huber, delta=0.5", Huber(0.5), "green", "--"),
        ]
        for name, loss, color, line in curves:
            values = loss.elementwise(error, zero)
            left.plot(error, values, line, color=COLORS[color], label=name)
        left.plot(error, error.cosh().log(), ":", color=COLORS["purple"], label="log-cosh (custom)")
        left.set(
            xlabel="error, in standard deviations of X",
            ylabel="loss of one value",
            ylim=(0, 5),
        )
        left.legend(loc="upper center", fontsize=8.5)
        left.set_title("losses of the error")
        probability = torch.linspace(0.004, 0.996, 400)
        logits = torch.logit(probability)
        for target, color in ((0.0, "blue"), (0.5, "gray"), (1.0, "red")):
            x = torch.full_like(logits, target)
            values = LogLoss().elementwise(logits, x)
            right.plot(probability, values, color=COLORS[color], label=f"x = {target:g}")
        right.set(xlabel="reconstruction", ylabel="loss of one value, in nats", ylim=(0, 5))
        right.legend(loc="upper center", fontsize=8.5)
        right.set_title("log_loss")
