"""Draw both kinds of validation: k-fold with one network for each fold, and one split."""

from _drawing import COLORS, INK, blank_axes, figure, label
from matplotlib.patches import Rectangle

N_FOLDS = 5


def draw(path):
    """Draw the samples of each network as a bar, with the validation set in color."""
    with figure(path, 2, width=9.0, height=3.2) as (_, (left, right)):
        for axes in (left, right):
            blank_axes(axes, 12, 8.4)
        label(left, 6, 8.0, "k-fold cross-validation (up to 3,000 samples)", fontweight="bold")
        for fold in range(N_FOLDS):
            y = 6.4 - fold
            label(left, 1.2, y + 0.35, f"network {fold + 1}", fontsize=9)
            for part in range(N_FOLDS):
                _part(left, 2.6 + 1.8 * part, y, 1.75, is_validation=part == fold)
        y = 6.4 - N_FOLDS - 0.25
        label(left, 1.2, y + 0.35, "result", fontsize=9)
        _part(left, 2.6, y, 8.95, is_validation=False)
        label(left, 6, 0.45, "The folds select the epoch; the result uses all samples.", fontsize=9)
        label(right, 6, 8.0, "validation split (more samples)", fontweight="bold")
        label(right, 1.2, 5.4 + 0.35, "result", fontsize=9)
        _part(right, 2.6, 5.4, 8.0, is_validation=False)
        _part(right, 10.65, 5.4, 0.9, is_validation=True)
        label(right, 6.6, 4.75, "90 %", fontsize=9)
        label(right, 11.1, 4.75, "10 %", fontsize=9)
        _part(right, 3.2, 2.7, 0.9, is_validation=False)
        label(right, 4.4, 3.05, "training samples", fontsize=9, ha="left")
        _part(right, 3.2, 1.6, 0.9, is_validation=True)
        label(right, 4.4, 1.95, "validation samples", fontsize=9, ha="left")


def _part(axes, x, y, width, *, is_validation):
    """Draw a part of the samples."""
    color = COLORS["orange"] if is_validation else COLORS["blue"]
    alpha = 0.75 if is_validation else 0.35
    axes.add_patch(
        Rectangle((x, y), width, 0.7, facecolor=color, alpha=alpha, edgecolor=INK, linewidth=0.8)
    )
