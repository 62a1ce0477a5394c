"""Image restoration: denoising, inpainting, deblurring and removal of JPEG artifacts."""

from skae.restoration._restorer import ImageRestorer

__all__ = ["ImageRestorer"]
