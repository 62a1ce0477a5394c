"""Draw the dense autoencoder: linear maps, and nonlinear residuals that start at zero."""

from _drawing import arrow, blank_axes, box, figure, label


def draw(path):
    """Draw encoder, latent vector and decoder from left to right."""
    with figure(path, width=9.0, height=3.3) as (_, axes):
        blank_axes(axes, 18, 6.4)
        box(axes, 0.2, 2.4, 1.6, 1.2, "X\n(n, d)")
        box(axes, 2.5, 2.4, 1.7, 1.2, "principal\ncoordinates", fontsize=8.5)
        arrow(axes, (1.8, 3.0), (2.5, 3.0))
        _half(axes, 4.2, "encoder_linear", "encoder")
        box(axes, 8.35, 2.4, 1.3, 1.2, "latent\nvector z", "green", fontsize=9)
        _half(axes, 9.65, "decoder_linear", "decoder")
        box(axes, 13.8, 2.4, 1.7, 1.2, "principal\ncoordinates", fontsize=8.5)
        box(axes, 16.2, 2.4, 1.6, 1.2, "X_hat\n(n, d)")
        arrow(axes, (15.5, 3.0), (16.2, 3.0))
        label(
            axes, 9.0, 0.95, "Blue: the linear autoencoder, equal to PCA before training.", "blue"
        )
        label(
            axes,
            9.0,
            0.3,
            "Orange: the nonlinear residual. Its last layer starts at zero.",
            "orange",
        )


def _half(axes, x, linear, name):
    """Draw the linear path above and the residual path below, between x and x + 4.15."""
    label(axes, x + 1.95, 5.9, name, fontweight="bold")
    box(axes, x + 0.75, 4.2, 2.1, 1.1, "linear map", "blue", fontsize=9)
    box(axes, x + 0.75, 1.55, 1.2, 1.1, "hidden\nlayers", "orange", fontsize=8.5)
    box(axes, x + 2.15, 1.55, 0.9, 1.1, "last\nlayer", "orange", fontsize=8.5)
    arrow(axes, (x, 3.3), (x + 0.75, 4.75), "blue")
    arrow(axes, (x, 2.7), (x + 0.75, 2.1), "orange")
    arrow(axes, (x + 1.95, 2.1), (x + 2.15, 2.1), "orange")
    axes.add_patch(_circle((x + 3.5, 3.0)))
    label(axes, x + 3.5, 3.0, "+", fontsize=12)
    arrow(axes, (x + 2.85, 4.75), (x + 3.38, 3.27), "blue")
    arrow(axes, (x + 3.05, 2.1), (x + 3.38, 2.74), "orange")
    arrow(axes, (x + 3.78, 3.0), (x + 4.15, 3.0))


def _circle(center):
    """Return the circle of a sum."""
    from matplotlib.patches import Circle

    return Circle(center, 0.28, fill=False, linewidth=1.3, edgecolor="#808080")
