"""Sampling of new rows and images from densities of latent vectors, also by class."""

from skae.generation._sampler import LatentSampler

__all__ = ["LatentSampler"]
