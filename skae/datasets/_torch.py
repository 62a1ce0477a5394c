"""PyTorch data sets as lazy arrays."""

import numpy as np
import torch
from torch.utils.data import Dataset

from skae.datasets._lazy_array import LazyArray

__all__ = ["from_torch"]


def from_torch(dataset: Dataset, part: int | str = 0) -> "TorchItems":
    """Convert a map-style PyTorch data set to a lazy array, which reads items when indexed.

    All methods that accept an array accept the lazy array, and so do scikit-learn's splits and
    searches. The items need not fit into memory.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Map-style data set, with ``len(dataset)`` and ``dataset[index]``. Items are tensors, arrays
        or Pillow images of one shape and dtype. They may be parts of tuples, lists or dicts, such
        as pairs of image and label.
    part : int or str, default=0
        Position or key of the array in an item that is a tuple, a list or a dict.

    Returns
    -------
    X : object
        Lazy array with `shape`, `dtype`, `ndim` and a length. An int or a slice returns items as
        an array. A list of ints or a mask returns a smaller lazy array, and reads nothing.

    Raises
    ------
    TypeError
        If the data set has no length, or an item is not numeric.
    ValueError
        If the data set is empty, or, when items are read, if items differ in shape or dtype.

    See Also
    --------
    ImageFolder : Folder of images as a lazy array.

    Notes
    -----
    Items are read in order by one thread at a time, which is not always the main thread. Items with
    random transforms, such as random crops, differ in every epoch. The mean and the principal
    components are those of the first pass. Color images of torchvision have their channels first:
    set ``channel_axis=1``.

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


class TorchItems(LazyArray):
    """Map-style PyTorch data set as a lazy array.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        The data set.
    part : int or str, default=0
        Position or key of the array in an item that is a tuple, a list or a dict.

    Attributes
    ----------
    indices : ndarray of shape (n,)
        Index of each item in the data set.
    """

    def __init__(self, dataset, part=0):
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(
                f"Got a dataset of type {type(dataset).__name__}, but expected a map-style dataset "
                "with __len__ and __getitem__."
            )
        if len(dataset) == 0:
            raise ValueError("Got a dataset without items, but expected at least one item.")
        self.dataset = dataset
        self.part = part
        self.indices = np.arange(len(dataset))
        first_item = self._load(0)
        super().__init__((len(dataset), *first_item.shape), first_item.dtype)

    def __repr__(self):
        return (
            f"<{len(self)} items of shape {self.shape[1:]} and dtype {self.dtype} from a "
            f"{type(self.dataset).__name__}>"
        )

    def _subset(self, indices):
        subset = super()._subset(indices)
        subset.indices = self.indices[indices]
        return subset

    def _read_item(self, index):
        index = int(self.indices[index])
        item = self._load(index)
        if item.shape != self.shape[1:] or not np.can_cast(item.dtype, self.dtype, "same_kind"):
            raise ValueError(
                f"Got item {index} of shape {item.shape} and dtype {item.dtype}, but expected "
                f"shape {self.shape[1:]} and dtype {self.dtype}, as in the first item."
            )
        return item.astype(self.dtype, copy=False)

    def _load(self, index):
        """Load an item of the data set as an array, in its own shape and dtype."""
        item = self.dataset[index]
        if isinstance(item, (tuple, list, dict)):
            item = self._select_part(item)
        if isinstance(item, torch.Tensor):
            item = item.detach().cpu()
            if item.dtype == torch.bfloat16:  # a dtype that NumPy does not have
                item = item.float()
        array = np.asarray(item)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"Got an item of type {type(item).__name__}, but expected a tensor, a numeric "
                "array or a Pillow image."
            )
        return array

    def _select_part(self, item):
        """Return the selected part of an item that is a tuple, a list or a dict."""
        try:
            return item[self.part]
        except (LookupError, TypeError) as error:
            expected = f"a position from 0 to {len(item) - 1}"
            if isinstance(item, dict):
                expected = f"one of the keys {list(item)}"
            raise ValueError(
                f"Got part={self.part!r}, but expected {expected} of an item."
            ) from error
