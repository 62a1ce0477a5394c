"""Images in files, read as they are needed."""

import copy
import os
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from skae.datasets._items import Items

__all__ = ["ImageFolder"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""How the names of images end, in small or capital letters."""

CHANNELS = {"L": (), "RGB": (3,)}
"""What an image of each mode has behind height and width."""

TOGETHER = 16
"""So many neighbouring files are read in one go where rows are streamed, so that threads can share them."""

SHARED_PIXELS = 2**14
"""Threads share the decoding of images that are larger; that of small ones takes longer if they wait for each other."""

ORIENTATION = 0x0112
"""Where EXIF says how a camera was held; from 5 on, height and width are exchanged."""


class ImageFolder(Items):
    """A folder of images as an array, which is read as it is needed.

    `fit`, `transform` and all else that takes images takes it, also if the images don't fit into memory. A number gives an
    image and a slice several, as arrays. A list of numbers or a mask gives a smaller `ImageFolder` and reads nothing, so that
    scikit-learn's splits and searches work on folders of any size.

    Parameters
    ----------
    path : str, Path, or list of str or Path
        A folder, which is searched with all its subfolders for names that end in .bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm,
        .tif, .tiff or .webp; or the files themselves. Hidden files and folders, whose names begin with a dot, are left out.
    size : int or (int, int), default=None
        Height and width that images are brought to; a number stands for both. None: all have the same size already.
    mode : {"RGB", "L"}, default="RGB"
        Colour, with three channels, or grey.
    crop : bool, default=True
        Whether an image of other proportions loses what is too much of it, on both sides alike. If not, its height and width
        are scaled differently.

    Attributes
    ----------
    paths : tuple of str
        The files. In a folder they are ordered by name, the same on every machine.
    labels : ndarray of str of shape (n,)
        The subfolder of `path` that each lies in, at whatever depth; empty for files of `path` itself. For a list of files,
        the name of the folder of each.
    classes : ndarray of str
        The labels that there are, sorted.
    shape : tuple of int
        (n, height, width), or (n, height, width, 3).
    dtype : numpy.dtype
        uint8.
    ndim : int
        3 or 4.
    chunks : tuple of int
        So many images are read in one go.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If there are no images, if one is not what its name says, or if the sizes differ and none is given; later, if one can't
        be read. Messages name the file.

    See Also
    --------
    from_torch : The same for torch's datasets.

    Notes
    -----
    The beginning of every file is read at once, to find what is broken before anything is trained. The rest is read and decoded
    whenever it is asked for; where most images have more than 16,384 pixels, by as many threads as torch has. Where `fit`
    streams, that is once a pass.

    Images are turned as their EXIF data says. What is transparent becomes white. Of several frames the first is taken. They are
    scaled by bicubic interpolation over all pixels that fall into one; large JPEG files are decoded at half, a quarter or an
    eighth of their size, as long as that is twice `size`. Images with 16 or 32 bits for a grey level are refused.

    Examples
    --------
    >>> from pathlib import Path
    >>> import sklearn.datasets
    >>> from skae.datasets import ImageFolder
    >>> photographs = ImageFolder(Path(sklearn.datasets.__file__).parent / "images", size=(48, 64))
    >>> photographs.shape
    (2, 48, 64, 3)
    >>> [Path(path).name for path in photographs.paths]
    ['china.jpg', 'flower.jpg']
    >>> photographs[0].shape
    (48, 64, 3)
    >>> photographs[[1]].shape
    (1, 48, 64, 3)
    """

    def __init__(
        self,
        path: str | os.PathLike | Sequence[str | os.PathLike],
        *,
        size: int | tuple[int, int] | None = None,
        mode: Literal["RGB", "L"] = "RGB",
        crop: bool = True,
    ) -> None:
        if mode not in CHANNELS:
            raise ValueError(f"Got mode={mode!r}, but expected 'RGB' or 'L'.")
        self.size, self.mode, self.crop = _checked_size(size), mode, crop
        self.paths, labels = _found(path)
        self.labels = np.array(labels)
        sizes = [_look(one) for one in self.paths]
        others = [number for number, found in enumerate(sizes) if found != sizes[0]]
        if self.size is None and others:
            (first, second), (third, fourth) = sizes[0], sizes[others[0]]
            raise ValueError(
                f"Got images of different sizes, {first} x {second} in {self.paths[0]!r} and {third} x {fourth} in "
                f"{self.paths[others[0]]!r}, but expected a size=(height, width) to bring them to."
            )
        self._shared = float(np.median(np.prod(sizes, axis=1))) > SHARED_PIXELS
        super().__init__((len(self.paths), *(self.size or sizes[0]), *CHANNELS[mode]), np.uint8)

    @property
    def classes(self) -> np.ndarray:
        """The labels that there are, sorted."""
        return np.unique(self.labels)

    @property
    def chunks(self) -> tuple[int, ...]:
        """How many images are read in one go, and their shape."""
        return (TOGETHER, *self.shape[1:])

    def __repr__(self):
        height, width = self.shape[1:3]
        return f"<ImageFolder of {len(self)} images of {height} x {width} pixels, mode={self.mode!r}>"

    def _chosen(self, numbers):
        chosen = copy.copy(self)
        chosen.paths = tuple(self.paths[number] for number in numbers)
        chosen.labels = self.labels[numbers]
        chosen.shape = (len(numbers), *self.shape[1:])
        return chosen

    def _threads(self):
        return torch.get_num_threads() if self._shared else 1

    def _item(self, number):
        from PIL import Image, ImageOps

        height, width = self.shape[1:3]
        with _opened(self.paths[number]) as image:
            if self.size is not None:
                enough = (2 * width, 2 * height)
                image.draft(self.mode, enough[::-1] if _is_turned(image) else enough)
            ImageOps.exif_transpose(image, in_place=True)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert(self.mode)
            if self.size is None and image.size != (width, height):
                raise ValueError(f"it has {image.height} x {image.width} pixels, but expected {height} x {width}.")
            # without a change of size both leave every pixel as it is
            return np.asarray(ImageOps.fit(image, (width, height)) if self.crop else image.resize((width, height)))


@contextmanager
def _opened(path):
    """Open an image; whatever goes wrong with it is an error that names the file."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("ImageFolder needs Pillow, which is not installed: pip install skae[images]") from error
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(
                    f"it has {'16' if ';16' in image.mode else '32'} bits for a grey level, but expected 8. Read it yourself, "
                    "and give an array or a memory map."
                )
            yield image
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises a dozen kinds
        raise ValueError(f"Got {path!r}, which can't be read as an image: {error}") from error


def _is_turned(image):
    """Say whether height and width are exchanged once the image is upright, as far as its beginning tells."""
    return "exif" in image.info and image.getexif().get(ORIENTATION, 1) >= 5


def _look(path):
    """Read the beginning of an image, and give its height and width."""
    with _opened(path) as image:
        return image.size if _is_turned(image) else image.size[::-1]


def _found(path):
    """Give the files of a folder, or those of a list, and their labels."""
    if isinstance(path, (str, os.PathLike)):
        if not os.path.isdir(path):
            raise FileNotFoundError(f"Got path={os.fspath(path)!r}, but expected a folder of images, or a list of files.")
        found = list(_walk(os.path.abspath(path)))
    elif not isinstance(path, Iterable):
        raise TypeError(f"Got path={path!r}, but expected a folder of images, or a list of files.")
    else:
        found = [(os.path.abspath(one), Path(one).absolute().parent.name) for one in path]
    if not found:
        raise ValueError(f"Got path={path!r} without images, but expected names that end in {', '.join(SUFFIXES)}.")
    return zip(*found, strict=True)


def _walk(folder, label="", above=()):
    """Give the images in a folder and below, and in which subfolder of the first each lies."""
    real = os.path.realpath(folder)
    if real in above:
        return  # a link has led back
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, label or entry.name, (*above, real))
        elif entry.name.lower().endswith(SUFFIXES) and (entry.is_file() or entry.is_symlink()):
            yield entry.path, label


def _checked_size(size):
    """Check what the user gave as `size`."""
    if size is None:
        return None
    found = (size, size) if isinstance(size, Integral) else size
    if not isinstance(found, (tuple, list)) or len(found) != 2 or not all(isinstance(n, Integral) and n >= 1 for n in found):
        raise ValueError(f"Got size={size!r}, but expected None, an int of at least 1, or (height, width).")
    return tuple(int(n) for n in found)
