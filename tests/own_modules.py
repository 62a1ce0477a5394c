"""Encoders and decoders as users of PyTorch write them."""

import math

import torch
from torch import nn

__all__ = [
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "LSTMDecoder",
    "LSTMEncoder",
    "LazyDecoder",
    "LazyEncoder",
    "NormalEncoder",
    "ResidualEncoder",
    "SetDecoder",
    "SetEncoder",
    "SigmoidDecoder",
    "TokenEncoder",
    "TransformerEncoder",
    "TutorialDecoder",
    "TutorialEncoder",
    "make_decoder",
    "make_encoder",
]


class DenseEncoder(nn.Module):
    """Dense layers with batch normalization and dropout."""

    def __init__(self, sample_shape, n_components, hidden=16, dropout=0.1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(sample_shape), hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_components),
        )

    def forward(self, x):
        """Encode samples."""
        return self.layers(x)


class DenseDecoder(nn.Module):
    """Dense layers."""

    def __init__(self, sample_shape, n_components, hidden=16):
        super().__init__()
        self.sample_shape = sample_shape
        self.layers = nn.Sequential(
            nn.Linear(n_components, hidden),
            nn.ReLU(),
            nn.Linear(hidden, math.prod(sample_shape)),
        )

    def forward(self, z):
        """Decode latent vectors."""
        return self.layers(z).reshape(-1, *self.sample_shape)


def make_encoder(shape, k, hidden=12):
    """Return an encoder of rows; the arguments have names of their own."""
    return nn.Sequential(nn.Linear(*shape, hidden), nn.Tanh(), nn.Linear(hidden, k))


def make_decoder(sample_shape, n_components, hidden=12):
    """Return a decoder of rows."""
    return nn.Sequential(
        nn.Linear(n_components, hidden), nn.Tanh(), nn.Linear(hidden, *sample_shape)
    )


class NormalEncoder(nn.Module):
    """Mean and log-variance of a variational autoencoder."""

    def __init__(self, sample_shape, n_components, hidden=16):
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(sample_shape), hidden), nn.ReLU()
        )
        self.mean = nn.Linear(hidden, n_components)
        self.log_variance = nn.Linear(hidden, n_components)

    def forward(self, x):
        """Return mean and log-variance."""
        hidden = self.hidden(x)
        return self.mean(hidden), self.log_variance(hidden)


class LazyEncoder(nn.Sequential):
    """Layers without a number of inputs."""

    def __init__(self, n_components):
        super().__init__(
            nn.LazyLinear(10), nn.LazyBatchNorm1d(), nn.GELU(), nn.Linear(10, n_components)
        )


class LazyDecoder(nn.Sequential):
    """Layers without a number of inputs."""

    def __init__(self, sample_shape):
        super().__init__(nn.LazyLinear(10), nn.GELU(), nn.Linear(10, math.prod(sample_shape)))


class ConvEncoder(nn.Sequential):
    """Strided convolutions with batch normalization."""

    def __init__(self, sample_shape, n_components, width=4):
        super().__init__(
            nn.Conv2d(sample_shape[0], width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(n_components),
        )


class ConvDecoder(nn.Module):
    """A dense layer and a transposed convolution."""

    def __init__(self, sample_shape, n_components, width=4):
        super().__init__()
        channels, height, width_ = sample_shape
        self.shape = (width, height // 2, width_ // 2)
        self.linear = nn.Linear(n_components, math.prod(self.shape))
        self.last = nn.ConvTranspose2d(width, channels, 2, stride=2)

    def forward(self, z):
        """Decode latent vectors."""
        return self.last(torch.relu(self.linear(z)).reshape(-1, *self.shape))


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(1, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x):
        """Return the sum."""
        return x + self.layers(x)


class ResidualEncoder(nn.Sequential):
    """A residual network."""

    def __init__(self, sample_shape, n_components, width=4, n_blocks=1):
        blocks = [ResidualBlock(width) for _ in range(n_blocks)]
        super().__init__(
            nn.Conv2d(sample_shape[0], width, 3, stride=2, padding=1),
            *blocks,
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * width, n_components),
        )


class TutorialEncoder(nn.Sequential):
    """Convolutions and pooling of an image tutorial; the latent vector is a feature map."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 2, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )


class TutorialDecoder(nn.Sequential):
    """Transposed convolutions of an image tutorial."""

    def __init__(self, padding=0):
        super().__init__(
            nn.ConvTranspose2d(2, 6, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 3, 2, stride=2, padding=padding),
        )


class LSTMEncoder(nn.Module):
    """The last state of a recurrent network over time steps."""

    def __init__(self, sample_shape, n_components, hidden=8):
        super().__init__()
        self.lstm = nn.LSTM(sample_shape[1], hidden, batch_first=True)
        self.last = nn.Linear(hidden, n_components)

    def forward(self, x):
        """Encode windows (b, time, channels)."""
        return self.last(self.lstm(x)[0][:, -1])


class LSTMDecoder(nn.Module):
    """A recurrent network that gets the latent vector at each time step."""

    def __init__(self, sample_shape, n_components, hidden=8):
        super().__init__()
        self.length, n_channels = sample_shape
        self.lstm = nn.LSTM(n_components, hidden, batch_first=True)
        self.last = nn.Linear(hidden, n_channels)

    def forward(self, z):
        """Decode latent vectors (b, k)."""
        return self.last(self.lstm(z[:, None].expand(-1, self.length, -1))[0])


class TransformerEncoder(nn.Module):
    """One layer of attention over time steps, and the mean."""

    def __init__(self, sample_shape, n_components, width=8):
        super().__init__()
        length, n_channels = sample_shape
        self.embed = nn.Linear(n_channels, width)
        self.position = nn.Parameter(0.1 * torch.randn(length, width))
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, 0.1, batch_first=True)
        self.last = nn.Linear(width, n_components)

    def forward(self, x):
        """Encode windows (b, time, channels)."""
        return self.last(self.layer(self.embed(x) + self.position).mean(1))


class SetEncoder(nn.Module):
    """A DeepSets encoder: the order of the points of a set does not matter."""

    def __init__(self, sample_shape, n_components, hidden=16):
        super().__init__()
        n_dimensions = sample_shape[1]
        self.each = nn.Sequential(nn.Linear(n_dimensions, hidden), nn.ReLU())
        self.all = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, n_components)
        )

    def forward(self, x):
        """Encode sets (b, points, dimensions)."""
        return self.all(self.each(x).mean(1))


class SetDecoder(DenseDecoder):
    """Dense layers to all points of a set."""


class SigmoidDecoder(DenseDecoder):
    """Dense layers that return values between 0 and 1."""

    def forward(self, z):
        """Decode latent vectors."""
        return torch.sigmoid(super().forward(z))


class TokenEncoder(nn.Module):
    """The mean of the vectors of integers."""

    def __init__(self, n_components, n_tokens=5):
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, n_components)

    def forward(self, x):
        """Encode rows of integers (b, d)."""
        return self.embedding(x.long()).mean(1)
