"""Draw two-dimensional latent vectors of digits, without and with a supervised loss."""

from _drawing import figure
from sklearn.datasets import load_digits

from skae import DenseAutoencoder

N_TRAINING = 1300


def draw(path):
    """Fit digits twice, and plot the latent vectors of samples that were not used in training."""
    X, y = load_digits(return_X_y=True)
    with figure(path, 2, width=8.4, height=3.8) as (drawing, panels):
        for axes, weight in zip(panels, (0.0, 1.0), strict=True):
            autoencoder = DenseAutoencoder(2, target_weight=weight, random_state=0)
            autoencoder.fit(X[:N_TRAINING], y[:N_TRAINING])
            Z = autoencoder.transform(X[N_TRAINING:])
            points = axes.scatter(*Z.T, c=y[N_TRAINING:], cmap="tab10", s=10, vmin=-0.5, vmax=9.5)
            axes.set_title(f"target_weight={weight:g}")
            axes.set(xlabel="latent dimension 1", ylabel="latent dimension 2")
        drawing.colorbar(points, ax=panels, ticks=range(10), label="digit")
