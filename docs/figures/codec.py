"""The stages of the codec: encoder, quantization, entropy coder, message, and back."""

from _diagram import arrow, box, new_diagram
from _style import BLUE, GREEN, ORANGE, save


def draw(path):
    """Draw the diagram.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    figure, ax = new_diagram(7.6, 3.0)
    columns = [1.55, 3.45, 5.35]
    names = ["encoder\ntransform", "quantization\nq ≈ (z - m) / Δ", "range coder"]
    for x, name in zip(columns, names, strict=True):
        box(ax, x, 2.5, name, width=1.35)
    names = ["decoder\ninverse_transform", "dequantization\nm + Δ q", "range decoder"]
    for x, name in zip(columns, names, strict=True):
        box(ax, x, 0.5, name, width=1.35, color=GREEN)
    box(ax, 5.35, 1.5, "context model\nP(q | context)", width=1.35, color=ORANGE)
    box(ax, 7.05, 1.5, "message\n(bytes)", width=0.9, height=0.7, color=BLUE)
    arrow(ax, (0.3, 2.5), (0.87, 2.5), "X")
    arrow(ax, (2.23, 2.5), (2.77, 2.5), "z")
    arrow(ax, (4.13, 2.5), (4.67, 2.5), "q")
    arrow(ax, (6.03, 2.5), (7.05, 1.86))
    arrow(ax, (7.05, 1.14), (6.03, 0.5))
    arrow(ax, (4.67, 0.5), (4.13, 0.5), "q")
    arrow(ax, (2.77, 0.5), (2.23, 0.5), "$\\hat{z}$")
    arrow(ax, (0.87, 0.5), (0.3, 0.5), "$\\hat{X}$")
    arrow(ax, (5.35, 1.8), (5.35, 2.2))
    arrow(ax, (5.35, 1.2), (5.35, 0.8))
    ax.text(0.1, 1.86, "compress", ha="left", fontsize=9, style="italic", va="center")
    ax.text(0.1, 1.14, "decompress", ha="left", fontsize=9, style="italic", va="center")
    save(figure, path)
