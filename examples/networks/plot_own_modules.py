"""
Custom networks: residual network, LSTM, transformer, DeepSets, VAE
===================================================================

`ModuleAutoencoder` trains encoders and decoders that are modules of PyTorch.
Each network of this example is compared with the default network of skae, on
the same data and with as many latent dimensions.
"""

# %%
# Images
# ------
#
# The first network is that of many tutorials: two convolutions with pooling,
# and transposed convolutions back to the image. The second one is a residual
# network [1]_. The images have 8 x 8 pixels and one channel.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from skae import ConvAutoencoder, DenseAutoencoder, ModuleAutoencoder

images = load_digits().images
train, test = images[:1400], images[1400:]
as_images = {"sample_shape": (1, 8, 8), "random_state": 0}


class TutorialEncoder(nn.Sequential):
    def __init__(self, n_components):
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128, n_components),
        )


class TutorialDecoder(nn.Sequential):
    def __init__(self, n_components):
        super().__init__(
            nn.Linear(n_components, 128),
            nn.Unflatten(1, (32, 2, 2)),
            nn.ConvTranspose2d(32, 16, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 2, stride=2),
        )


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
        )

    def forward(self, x):
        return torch.relu(x + self.layers(x))


class ResidualEncoder(nn.Sequential):
    def __init__(self, n_components, width=16):
        super().__init__(
            nn.Conv2d(1, width, 3, stride=2, padding=1),
            Residual(width),
            nn.Flatten(),
            nn.Linear(16 * width, n_components),
        )


class ResidualDecoder(nn.Sequential):
    def __init__(self, n_components, width=16):
        super().__init__(
            nn.Linear(n_components, 16 * width),
            nn.Unflatten(1, (width, 4, 4)),
            Residual(width),
            nn.ConvTranspose2d(width, 1, 2, stride=2),
        )


scores = {}
for name, autoencoder in {
    "ConvAutoencoder": ConvAutoencoder(8, random_state=0),
    "tutorial": ModuleAutoencoder(
        TutorialEncoder, TutorialDecoder, 8, **as_images
    ),
    "residual network": ModuleAutoencoder(
        ResidualEncoder, ResidualDecoder, 8, **as_images
    ),
}.items():
    scores["images", name] = autoencoder.fit(train).score(test)

# %%
# Variational autoencoder
# -----------------------
#
# The encoder of a variational autoencoder [2]_ returns a mean and a
# log-variance. Random samples and the divergence belong to the bottleneck.


class NormalEncoder(nn.Module):
    def __init__(self, n_components):
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 128), nn.ReLU()
        )
        self.mean = nn.Linear(128, n_components)
        self.log_variance = nn.Linear(128, n_components)

    def forward(self, x):
        hidden = self.hidden(x)
        return self.mean(hidden), self.log_variance(hidden)


class DenseDecoder(nn.Sequential):
    def __init__(self, n_components):
        super().__init__(
            nn.Linear(n_components, 128), nn.ReLU(), nn.Linear(128, 64)
        )


options = {"bottleneck": "variational", "random_state": 0}
flat_train, flat_test = train.reshape(-1, 64), test.reshape(-1, 64)
for name, autoencoder in {
    "DenseAutoencoder": DenseAutoencoder(8, **options),
    "variational": ModuleAutoencoder(
        NormalEncoder, DenseDecoder, 8, residual=None, **options
    ),
}.items():
    scores["images, VAE", name] = autoencoder.fit(flat_train).score(flat_test)

# %%
# Windows of a time series
# ------------------------
#
# Windows of 24 steps and two channels: a wave with a random frequency, and its
# square. Recurrent layers and attention run over the steps.


class LSTMEncoder(nn.Module):
    def __init__(self, sample_shape, n_components, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(sample_shape[1], hidden, batch_first=True)
        self.last = nn.Linear(hidden, n_components)

    def forward(self, x):
        return self.last(self.lstm(x)[0][:, -1])


class TransformerEncoder(nn.Module):
    def __init__(self, sample_shape, n_components, width=32):
        super().__init__()
        length, n_channels = sample_shape
        self.embed = nn.Linear(n_channels, width)
        self.position = nn.Parameter(0.1 * torch.randn(length, width))
        self.layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, batch_first=True
        )
        self.last = nn.Linear(length * width, n_components)

    def forward(self, x):
        return self.last(self.layer(self.embed(x) + self.position).flatten(1))


class WindowDecoder(nn.Sequential):
    def __init__(self, sample_shape, n_components):
        super().__init__(
            nn.Linear(n_components, 128),
            nn.GELU(),
            nn.Linear(128, sample_shape[0] * sample_shape[1]),
            nn.Unflatten(1, sample_shape),
        )


rng = np.random.default_rng(0)
phase, frequency = rng.uniform(0, [[6.3], [0.5]], (2, 1200))
wave = np.sin(phase[:, None] + (0.2 + frequency[:, None]) * np.arange(24))
windows = np.stack([wave, np.square(wave)], axis=-1)
windows += 0.05 * rng.normal(size=windows.shape)
for name, autoencoder in {
    "ConvAutoencoder": ConvAutoencoder(3, signals=True, random_state=0),
    "LSTM": ModuleAutoencoder(
        LSTMEncoder, WindowDecoder, 3, max_iter=100, random_state=0
    ),
    "transformer": ModuleAutoencoder(
        TransformerEncoder, WindowDecoder, 3, max_iter=100, random_state=0
    ),
}.items():
    scores["windows", name] = autoencoder.fit(windows[:1000]).score(
        windows[1000:]
    )

# %%
# Sets of points
# --------------
#
# DeepSets [3]_ encodes each point by the same layers and takes the mean, so
# that the order of the points does not matter. The loss is the Chamfer
# distance between two sets, a function of batches of sets.


class SetEncoder(nn.Module):
    def __init__(self, sample_shape, n_components, hidden=64):
        super().__init__()
        self.each = nn.Sequential(
            nn.Linear(sample_shape[1], hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
        )
        self.all = nn.Sequential(nn.ReLU(), nn.Linear(hidden, n_components))

    def forward(self, x):
        return self.all(self.each(x).mean(1))


def chamfer(x_hat, x):
    x_hat, x = x_hat.reshape(-1, 16, 2), x.reshape(-1, 16, 2)
    distances = torch.cdist(x_hat, x).square()
    return distances.amin(1).mean(1) + distances.amin(2).mean(1)


def distance(autoencoder, X):
    x_hat = torch.from_numpy(autoencoder.reconstruct(X).astype(np.float32))
    return float(chamfer(x_hat, torch.from_numpy(X.astype(np.float32))).mean())


angles = rng.uniform(0, 2 * np.pi, (1500, 16))
circles = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
sets = circles * rng.uniform(0.3, 1.5, (1500, 1, 2))
sets += rng.normal(0, 0.5, (1500, 1, 2))
rows = sets.reshape(1500, -1)
dense = DenseAutoencoder(4, loss=chamfer, random_state=0).fit(rows[:1200])
deep_sets = ModuleAutoencoder(
    SetEncoder, WindowDecoder, 4, residual=None, loss=chamfer, random_state=0
).fit(sets[:1200])

# %%
# Results
# -------
#
# The share of the variance of test samples that is explained, and the Chamfer
# distance of test sets.

print("data          network             explained variance")
for (data, name), score in scores.items():
    print(f"{data:14}{name:20}{score:18.3f}")
print()
print("sets          network               Chamfer distance")
print(f"              DenseAutoencoder {distance(dense, rows[1200:]):21.3f}")
print(f"              DeepSets {distance(deep_sets, sets[1200:]):29.3f}")

figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), layout="constrained")
for ax, i in zip(axes, range(1200, 1204), strict=True):
    ax.scatter(*sets[i].T, color="0.7", label="set")
    ax.scatter(
        *deep_sets.reconstruct(sets[i : i + 1])[0].T,
        color="tab:blue",
        marker="x",
        label="DeepSets",
    )
    ax.set(aspect="equal", xticks=[], yticks=[])
axes[0].legend(fontsize=8)
plt.show()

# %%
# References
# ----------
#
# .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image
#    recognition", CVPR 2016.
# .. [2] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR
#    2014.
# .. [3] M. Zaheer et al., "Deep sets", NeurIPS 2017.
#
# Guide
# -----
#
# :doc:`/guide/custom_networks` describes shapes, parameters, pretrained
# modules and files of own networks.
