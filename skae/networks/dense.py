"""The fully connected network: residual PCA between a projection and its transpose."""

import torch

from skae.networks.autoencoder import Autoencoder
from skae.networks.bottlenecks import quantized
from skae.networks.imputation import (
    FactorCovariance,
    conditional_means,
    conditional_means_of_factors,
    n_imputation_factors,
)
from skae.networks.layers import product, widen

__all__ = ["MAX_PRECISION_FEATURES", "DenseNetwork"]

MAX_PRECISION_FEATURES = 128
"""Most columns with a full precision matrix for imputation. Wider tables have a low-rank one."""


class DenseNetwork(Autoencoder):
    """An autoencoder of tables with dense layers.

    ::

        x (b, d) ─ centre ─ components ─▶ u (b, m) ─ trunk ─▶ z (b, k)
        z (b, k) ─ trunk ─▶ u_hat (b, m) ─ components ─▶ x_hat (b, d)

    Parameters
    ----------
    in_pca_space : bool
        Whether the training space is that of principal coordinates. It has the same squared
        distances, and saves two products per step. Other losses need the columns of X.
    gaussian_imputation : bool, default=False
        Whether missing values are imputed by conditional means of a normal distribution, instead of
        the mean.
    **shared
        Parameters of `skae.networks.autoencoder.Autoencoder`.
    """

    def __init__(self, *, in_pca_space, gaussian_imputation=False, **shared):
        n_extra = 0
        if shared.get("allow_nan"):
            n_extra = shared["n_features"]
        super().__init__(n_extra=n_extra, **shared)
        self.in_pca_space = in_pca_space
        precision = loadings = noise = None
        if gaussian_imputation and self.n_features <= MAX_PRECISION_FEATURES:
            precision = torch.eye(self.n_features)
        elif gaussian_imputation:
            loadings = torch.zeros(self.n_features, n_imputation_factors(self.n_features))
            noise = torch.ones(self.n_features)
        self.register_buffer("precision", precision)
        self.register_buffer("imputation_loadings", loadings)
        self.register_buffer("imputation_noise", noise)

    @property
    def n_training_features(self):
        """Number of principal coordinates, or of columns of X."""
        if self.in_pca_space:
            return len(self.components)
        return self.n_features

    @property
    def reads_coordinates(self):
        """Whether the encoder reads principal coordinates alone, without the mask."""
        return not self.allow_nan

    @torch.no_grad()
    def init_from_pca(self, principal):
        """Set the network to PCA, and the covariance to that of the normal distribution."""
        super().init_from_pca(principal)
        if self.precision is not None:
            self.precision.copy_(principal.normal[1] * principal.scale**2)
        if self.imputation_loadings is not None:
            loadings, noise = principal.normal[1]
            self.imputation_loadings.copy_(loadings / principal.scale)
            self.imputation_noise.copy_(noise / principal.scale**2)

    def impute(self, x):
        """Impute missing values of samples in the training space (..., n_training_features)."""
        if self.precision is None and self.imputation_loadings is None:
            return super().impute(x)
        device_type = x.device.type
        if torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type):
            # bfloat16 is too imprecise for a linear system
            with torch.autocast(device_type, enabled=False):
                return self.impute(x)
        if self.precision is not None:
            expected = conditional_means(widen(x), widen(self.precision))
        else:
            covariance = FactorCovariance(
                widen(self.imputation_loadings), widen(self.imputation_noise)
            )
            expected = conditional_means_of_factors(widen(x), covariance)
        return torch.where(x.isnan(), expected.to(x.dtype), x)

    def to_training_space(self, x):
        """Project standardized samples (b, d) on the components if training is in PCA space."""
        if not self.in_pca_space:
            return x
        return product(x, self.components.mT)  # (b, m)

    def from_training_space(self, x):
        """Convert samples of the training space to standardized samples (b, d)."""
        if not self.in_pca_space:
            return x
        return product(x, self.components)  # (b, d)

    def code(self, x):
        """Encode samples of the training space as whitened latent vectors, and the hidden layer."""
        mask = None
        if self.allow_nan:
            mask = x.isnan().to(x.dtype)  # (b, d): the hidden layers receive it beside u
            x = self.impute(x)
        u = x
        if not self.in_pca_space:
            u = product(x, self.components.mT)  # (b, m)
        return self.trunk.encode(u, mask)

    def latents_from_coordinates(self, u):
        """Encode principal coordinates (b, m) as whitened latent vectors before the bottleneck."""
        return self.trunk.encode(u)[0]

    def encode_coordinates(self, u):
        """Encode principal coordinates (b, m) as latent vectors (b, k), in units of `encode`."""
        z = self.latents_from_coordinates(u)
        return quantized(self.bottleneck, z) * self.code_units

    def reconstruct_coordinates(self, u):
        """Encode and decode principal coordinates (b, m), with quantized latent vectors."""
        z = self.encode_coordinates(u) / self.code_units
        return self.trunk.decode(z)[0]

    def reconstruct_code(self, z):
        """Decode whitened latent vectors (b, k) to the training space."""
        u = self.trunk.decode(z)[0]  # (b, m)
        if self.in_pca_space:
            return u
        return product(u, self.components)  # (b, d)
