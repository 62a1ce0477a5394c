"""Properties of an estimator that its training depends on, and that estimators override."""

from skae._training.defaults import default_n_components

__all__ = ["NetworkHooks"]


class NetworkHooks:
    """Mixin with the properties of a dense network, which starts as PCA of the rows."""

    def _pca_view(self):
        """Return a function of centered rows that PCA is applied to, or None."""

    def _resolved_features(self):
        """Return the features of images that the encoder receives, without "auto", or None."""

    def _scales_channels(self):
        """Return whether each channel has a unit of its own, its standard deviation."""
        return False

    def _auto_n_components(self, n_features):
        """Return the number of latent dimensions that "auto" stands for."""
        return default_n_components(n_features)

    def _own_architecture(self):
        """Return further values, by name, that must not change when a fit continues."""
        return {}

    @property
    def _starts_as_pca(self):
        """Return whether the linear part of the network starts as PCA."""
        return self.init != "random"

    @property
    def _uses_gaussian_imputation(self):
        """Return whether a normal distribution imputes missing values, instead of the mean."""
        return False
