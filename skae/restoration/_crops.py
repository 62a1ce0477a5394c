"""Random crops of images, as training pairs of a corrupted and a clean crop."""

import math

import numpy as np
import torch
from torch.utils.data import Dataset

from skae._input.batching import Batch
from skae.networks.layers import to_device

__all__ = ["RandomCrops", "scale_to_unit_range"]


class RandomCrops(Dataset):
    """Random crops of images, as training pairs of a corrupted and a clean crop.

    Parameters
    ----------
    clean : ndarray of shape (n, height, width, channels)
        Clean images in any real dtype.
    corrupted : ndarray of shape (n, height, width, channels) or None
        Corrupted images. If None, `corrupt` is applied to the clean crops.
    crop : tuple of int
        Height and width of a crop.
    augment : bool
        Whether to flip crops at random. Square crops are also transposed at random.
    data_range : tuple of float
        The values that are scaled to 0 and 1.
    corrupt : callable or None
        Function ``(x, generator) -> corrupted x`` for x of shape (b, channels, h, w). Required if
        `corrupted` is None.
    generator : torch.Generator
        Random number generator of the positions, the augmentation and the corruption.
    device : torch.device
        Device of the batches.
    detect_nan : bool, default=False
        Whether to record in `contains_nan` if corrupted crops contain NaN.

    Attributes
    ----------
    contains_nan : bool
        Whether any corrupted crop contained NaN until now. Always False without `detect_nan`.
    crops_per_image : int
        Number of crops of each image in one epoch. Their area is about that of the image.
    """

    def __init__(
        self,
        clean,
        corrupted,
        *,
        crop,
        augment,
        data_range,
        corrupt,
        generator,
        device,
        detect_nan=False,
    ):
        self.X = clean
        self.corrupted = corrupted
        self.crop = crop
        self.n_orientations = 1
        if augment:
            self.n_orientations = 4 + 4 * (crop[0] == crop[1])  # transposed only if square
        self.data_range = data_range
        self.corrupt = corrupt
        self.generator = generator
        self.device = device
        self.detect_nan = detect_nan
        self.contains_nan = False
        image_pixels = math.prod(clean.shape[1:3])
        self.crops_per_image = max(1, round(image_pixels / math.prod(crop)))

    def state_dict(self):
        """Return the records of the training."""
        return {"contains_nan": self.contains_nan}

    def load_state_dict(self, state):
        """Load a state of `state_dict`."""
        self.contains_nan = bool(state.get("contains_nan", False))

    def __len__(self):
        return len(self.X) * self.crops_per_image

    def __getitem__(self, index):
        """Sample one crop for each entry of `index`.

        Parameters
        ----------
        index : torch.Tensor of shape (b,)
            Numbers of crops. Crop i is cut from image ``i // crops_per_image``.

        Returns
        -------
        batch : Batch
            Rows of shape (b, 2 * channels * h * w), each a corrupted and a clean crop, without
            weights.
        """
        images = (index // self.crops_per_image).tolist()
        placements = self._sample_placements(len(index))
        clean = self._cut(self.X, images, placements)
        if self.corrupt is None:
            corrupted = self._cut(self.corrupted, images, placements)
        else:
            corrupted = self.corrupt(clean, self.generator)
        if self.detect_nan and not self.contains_nan:
            self.contains_nan = bool(corrupted.isnan().any())
        return Batch(torch.stack([corrupted, clean], 1).flatten(1))

    def _sample_placements(self, n_crops):
        """Sample top row, left column and orientation of each crop."""
        height, width = self.X.shape[1:3]
        crop_height, crop_width = self.crop
        limits = (height - crop_height + 1, width - crop_width + 1, self.n_orientations)
        samples = [torch.randint(limit, (n_crops,), generator=self.generator) for limit in limits]
        return torch.stack(samples, 1).tolist()

    def _cut(self, X, images, placements):
        """Cut crops from X, as float32 (b, c, h, w) in the unit range."""
        crop_height, crop_width = self.crop
        crops = []
        for image, (top, left, orientation) in zip(images, placements, strict=True):
            crop = X[image, top : top + crop_height, left : left + crop_width]
            crops.append(_reorient(crop, orientation))
        images = scale_to_unit_range(np.stack(crops), *self.data_range)
        return to_device(images, self.device)


def scale_to_unit_range(images, low, high):
    """Convert images (b, h, w, c) in units of X to float32 (b, c, h, w), from about 0 to 1."""
    # in float64, because float32 would lose the digits of values far from zero
    scaled = ((images.astype(np.float64) - low) / (high - low)).astype(np.float32)
    return torch.from_numpy(scaled).movedim(-1, 1)


def _reorient(crop, orientation):
    """Flip or rotate a crop (h, w, c); 0 is the identity, and 4 to 7 exchange height and width."""
    if orientation & 1:
        crop = crop[::-1]
    if orientation & 2:
        crop = crop[:, ::-1]
    if orientation & 4:
        crop = crop.swapaxes(0, 1)
    return crop
