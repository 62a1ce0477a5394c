"""Draw nested dropout: masks of latent vectors, and the probabilities of their lengths."""

import numpy as np
import torch
from _drawing import COLORS, figure
from matplotlib.patches import Rectangle

from skae.networks.bottlenecks import NestedDropout

K = 12


def draw(path):
    """Draw the masks of a batch at the left, and the probabilities at the right."""
    lengths = [3, 11, 7, 12, 5, 9]
    with figure(path, 2, width=9.0, height=3.0) as (_, (left, right)):
        for row, length in enumerate(lengths):
            for column in range(K):
                is_kept = column < length
                left.add_patch(
                    Rectangle(
                        (column + 0.06, len(lengths) - row - 0.94),
                        0.88,
                        0.88,
                        facecolor=COLORS["green"] if is_kept else "none",
                        alpha=0.75 if is_kept else 1.0,
                        edgecolor=COLORS["gray"],
                        linewidth=0.8,
                    )
                )
        left.set(xlim=(0, K), ylim=(0, len(lengths)), yticks=np.arange(len(lengths)) + 0.5)
        left.set_yticklabels([f"j = {length}" for length in reversed(lengths)])
        left.set_xticks(np.arange(K) + 0.5, [str(i + 1) for i in range(K)])
        left.set_xlabel("latent dimension")
        left.set_title("decoder input of six samples in training")
        left.tick_params(length=0)
        for side in ("left", "bottom"):
            left.spines[side].set_visible(False)
        right.bar(np.arange(1, K + 1), _probabilities(), color=COLORS["green"], alpha=0.75)
        right.set(xlabel="length j", ylabel="probability", xticks=np.arange(1, K + 1))
        right.set_title(f"distribution of the length, k = {K}")


def _probabilities():
    """Return the frequencies of lengths in the masks that the bottleneck draws."""
    z = torch.ones(200_000, K)
    generator = torch.Generator().manual_seed(0)
    masked, _ = NestedDropout()(z, None, generator)
    lengths = masked.sum(1).long()
    return torch.bincount(lengths, minlength=K + 1)[1:] / len(z)
