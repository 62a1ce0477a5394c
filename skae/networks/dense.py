"""The fully connected network: principal coordinates, corrected by hidden layers."""

import torch

from skae.networks.autoencoder import Autoencoder
from skae.networks.blocks import conditional_means, product, widened

__all__ = ["DenseNetwork"]


class DenseNetwork(Autoencoder):
    """An autoencoder of rows whose layers are all dense.

    ::

        x (b, d) ─ centre ─ components ─▶ u (b, m) ─ Trunk ─▶ z (b, k) ─ Trunk ─▶ u_hat (b, m) ─ components ─▶ x_hat (b, d)

    Parameters
    ----------
    linked : bool
        Whether gaps are filled with what a normal distribution expects of the row, in place of the mean.
    rotated : bool
        Whether the space of training is that of the coordinates. Squared distances are the same there, and the two
        products with the components are saved at every step; other objectives need the columns of X.
    **shared
        The parameters of `skae.networks.autoencoder.Autoencoder`.
    """

    def __init__(self, *, rotated, linked=False, **shared):
        super().__init__(n_extra=shared["n_features"] if shared.get("allow_nan") else 0, **shared)
        self.rotated = rotated
        self.register_buffer("precision", torch.eye(self.n_features) if linked else None)

    @property
    def n_working(self):
        """The coordinates, or the columns of X."""
        return len(self.components) if self.rotated else self.n_features

    @torch.no_grad()
    def become(self, principal):
        """Become PCA."""
        super().become(principal)
        if self.precision is not None:
            self.precision.copy_(principal.normal[1] * principal.scale**2)

    def filled(self, x):
        """Put what is expected where prepared rows have gaps."""
        if self.precision is None:
            return super().filled(x)
        kind = x.device.type
        if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):  # a linear system is not solved in bfloat16
                return self.filled(x)
        expected = conditional_means(widened(x), widened(self.precision)).to(x.dtype)
        return torch.where(x.isnan(), expected, x)

    def arrange(self, x):
        """Rotate into principal coordinates, if that is where training is done."""
        return product(x, self.components.mT) if self.rotated else x

    def restore(self, x):
        """Rotate back."""
        return product(x, self.components) if self.rotated else x

    def code(self, x):
        """Turn prepared rows into whitened codes, and give the encoder's last hidden layer beside them."""
        gaps = x.isnan().to(x.dtype) if self.allow_nan else None  # the correction is to know what is a mean, and what is filled
        x = self.filled(x)
        return self.trunk.encode(x if self.rotated else product(x, self.components.mT), gaps)

    def rebuild(self, z):
        """Turn whitened codes into what prepared rows look like."""
        u = self.trunk.decode(z)[0]
        return u if self.rotated else product(u, self.components)
