"""Datasets of torch, seen as arrays."""

import copy

import numpy as np
import torch
from torch.utils.data import Dataset

from skae.datasets._items import Items

__all__ = ["from_torch"]


def from_torch(dataset: Dataset, part: int | str = 0) -> "TorchItems":
    """See a dataset of torch as an array, which is read item by item.

    `fit`, `transform` and all else that takes an array takes it, also if the items don't fit into memory, and so do
    scikit-learn's splits and searches.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With ``len(dataset)`` and ``dataset[number]``. Items are tensors, arrays or pictures of Pillow, all of one shape and
        dtype; or tuples or dicts of these, as most have labels beside them.
    part : int or str, default=0
        Which part of an item is meant, where it is a tuple, a list or a dict: a position, or a key.

    Returns
    -------
    X : object
        With `shape`, `dtype`, `ndim` and a length. A number gives an item and a slice several, as arrays. A list of numbers or
        a mask gives a smaller one, which reads nothing.

    Raises
    ------
    TypeError
        If the dataset has no length, or an item is not as described.
    ValueError
        If it is empty, or items differ in shape or in the kind of their numbers; later, when they are read.

    See Also
    --------
    ImageFolder : The same for files.

    Notes
    -----
    Items are read in order, by one thread at a time, which is not always the main one. Those that are drawn at random, as with
    transforms that cut or turn images, are others in every pass; mean and principal components are those of the first.
    torch's colour images have their channels first: say ``channel_axis=1``.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import TensorDataset
    >>> from skae.datasets import from_torch
    >>> dataset = TensorDataset(torch.zeros(100, 3, 8, 8), torch.arange(100) % 2)
    >>> X = from_torch(dataset)
    >>> X.shape, X.dtype
    ((100, 3, 8, 8), dtype('float32'))
    >>> y = from_torch(dataset, part=1)[:]
    """
    return TorchItems(dataset, part)


class TorchItems(Items):
    """What `from_torch` gives."""

    def __init__(self, dataset, part=0):
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(f"Got a dataset of type {type(dataset).__name__}, but expected one with len() and numbered items.")
        if len(dataset) == 0:
            raise ValueError("Got a dataset without items, but expected at least one.")
        self.dataset, self.part = dataset, part
        self.numbers = np.arange(len(dataset))
        first = self._take(0)
        super().__init__((len(dataset), *first.shape), first.dtype)

    def __repr__(self):
        return f"<{len(self)} items of shape {self.shape[1:]} and dtype {self.dtype} from a {type(self.dataset).__name__}>"

    def _chosen(self, numbers):
        chosen = copy.copy(self)
        chosen.numbers = self.numbers[numbers]
        chosen.shape = (len(numbers), *self.shape[1:])
        return chosen

    def _item(self, number):
        number = int(self.numbers[number])
        found = self._take(number)
        if found.shape != self.shape[1:] or not np.can_cast(found.dtype, self.dtype, "same_kind"):
            raise ValueError(
                f"Got item {number} of shape {found.shape} and dtype {found.dtype}, but expected {self.shape[1:]} and "
                f"{self.dtype}, as the first one: items have to be alike."
            )
        return found.astype(self.dtype, copy=False)

    def _take(self, number):
        """Give an item of the dataset as an array, in its own shape and dtype."""
        item = self.dataset[number]
        if isinstance(item, (tuple, list, dict)):
            try:
                item = item[self.part]
            except (LookupError, TypeError) as error:
                parts = list(item) if isinstance(item, dict) else f"those from 0 to {len(item) - 1}"
                raise ValueError(f"Got part={self.part!r}, but the parts of an item are {parts}.") from error
        if isinstance(item, torch.Tensor):
            item = item.detach().cpu()
            item = item.float() if item.dtype == torch.bfloat16 else item
        found = np.asarray(item)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"Got an item of type {type(item).__name__}, but expected a tensor, an array or a picture.")
        return found
