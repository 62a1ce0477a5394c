"""Benchmark of the training time: test error against fit time on Fashion-MNIST."""

from _benchmarks import ENTRIES, matching, same_run, value
from _style import BLUE, GRAY, GREEN, ORANGE, PURPLE, RED, new_figure, save

PREFIX = "speed/fashion-mnist"
CONTENDERS = {
    "dense": ("DenseAutoencoder", BLUE, "o"),
    "conv": ("ConvAutoencoder", ORANGE, "o"),
    "pca": ("PCA", GREEN, "s"),
    "skorch": ("textbook module in skorch", PURPLE, "D"),
    "mlp": ("MLPRegressor", RED, "v"),
    "keras": ("textbook layers in Keras", RED, "^"),
    "pyod": ("PyOD AutoEncoder", RED, "<"),
    "pythae": ("Pythae AE", RED, ">"),
    "encdr": ("encdr", RED, "P"),
}


def draw(path):
    """Plot the contenders of the run that measured DenseAutoencoder, and the curve of the textbook loop."""
    figure, ax = new_figure(6.5, 3.8)
    epochs = [f"{PREFIX}/textbook/{epoch}" for epoch in matching(f"{PREFIX}/textbook/*/mse")]
    ax.plot(
        [value(f"{key}/elapsed") for key in epochs],
        [value(f"{key}/mse") for key in epochs],
        ".-",
        color=GRAY,
        label="textbook loop, each epoch",
    )
    for name, (label, color, marker) in CONTENDERS.items():
        time = f"{PREFIX}/{name}/fit_time"
        if time in ENTRIES and same_run(time, f"{PREFIX}/dense/fit_time"):
            ax.plot(value(time), value(f"{PREFIX}/{name}/mse"), marker, color=color, label=label)
    ax.set_xscale("log")
    ax.set_xlabel("fit time in seconds")
    ax.set_ylabel("test MSE, pixels in [0, 1]")
    ax.legend()
    save(figure, path)
