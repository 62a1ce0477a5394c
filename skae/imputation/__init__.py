"""Imputation of missing values by an autoencoder, as a transformer."""

from skae.imputation._imputer import AutoencoderImputer

__all__ = ["AutoencoderImputer"]
