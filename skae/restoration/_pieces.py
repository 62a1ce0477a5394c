"""Pieces of images at random places, in pairs of a damaged and a clean one."""

import math

import numpy as np
import torch
from torch.utils.data import Dataset

from skae._batches import Batch
from skae._stored import slices

__all__ = ["Pieces", "scaled", "tiles"]


class Pieces(Dataset):
    """Pieces of images at random places, each damaged and clean, as rows for `AutoencoderNet`.

    Parameters
    ----------
    clean : ndarray of shape (n, height, width, channels)
        In any real dtype.
    damaged : ndarray of the same shape or None
        None damages the clean ones.
    crop : tuple of int
        Height and width of a piece.
    augment : bool
        Whether to flip pieces, and turn them if they are square.
    data_range : tuple of float
        What becomes 0 and 1.
    corrupt : callable or None
        ``(x, generator) -> damaged x``, for x (b, channels, h, w).
    generator : torch.Generator
        Where places, turns and damage come from.
    device : torch.device
        Where pieces are wanted.

    Attributes
    ----------
    gaps : bool or None
        Whether a damaged piece had NaN, of those that were drawn until now; looked at only where it is set to False before.
    """

    def __init__(self, clean, damaged, *, crop, augment, data_range, corrupt, generator, device):
        self.X = clean
        self.damaged = damaged
        self.crop = crop
        self.turns = 1 if not augment else 8 if crop[0] == crop[1] else 4
        self.data_range = data_range
        self.corrupt = corrupt
        self.generator = generator
        self.device = device
        self.gaps = None
        self.per_image = max(1, round(math.prod(clean.shape[1:3]) / math.prod(crop)))

    def __len__(self):
        return len(self.X) * self.per_image

    def __getitem__(self, index):
        """Draw a piece for each number of a tensor: a `Batch` of rows (b, 2 * channels * h * w), without weights."""
        (height, width), (h, w), b = self.X.shape[1:3], self.crop, len(index)
        rooms = (height - h + 1, width - w + 1, self.turns)
        places = torch.stack([torch.randint(room, (b,), generator=self.generator) for room in rooms], 1).tolist()
        images = (index // self.per_image).tolist()

        def pieces(X):
            cut = (X[i, top : top + h, left : left + w] for i, (top, left, _) in zip(images, places, strict=True))
            turned = [_turned(piece, turn) for piece, (_, _, turn) in zip(cut, places, strict=True)]
            return scaled(np.stack(turned), *self.data_range).to(self.device)

        clean = pieces(self.X)
        damaged = pieces(self.damaged) if self.corrupt is None else self.corrupt(clean, self.generator)
        if self.gaps is False:
            self.gaps = bool(damaged.isnan().any())
        return Batch(torch.stack([damaged, clean], 1).flatten(1))


def scaled(images, low, high):
    """Turn images (b, h, w, c) in units of X into float32 (b, c, h, w), from about 0 to 1."""
    scaled = ((images.astype(np.float64) - low) / (high - low)).astype(np.float32)
    return torch.from_numpy(scaled).movedim(-1, 1)


def _turned(piece, turn):
    """Flip a piece (h, w, c) in one of eight ways; 0 leaves it as it is, and only those from 4 change height for width."""
    piece = piece[::-1] if turn & 1 else piece
    piece = piece[:, ::-1] if turn & 2 else piece
    return piece.swapaxes(0, 1) if turn & 4 else piece


def tiles(length, tile, reach):
    """Cut a side into tiles: the pixels of each, those that it is restored from, and where it lies in them."""
    found = []
    for own in slices(length, tile):
        seen = slice(max(0, own.start - reach), min(length, own.stop + reach))
        found.append((own, seen, slice(own.start - seen.start, own.stop - seen.start)))
    return found
