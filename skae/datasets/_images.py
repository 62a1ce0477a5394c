"""Folders of images as lazy arrays."""

import os
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from skae._files.reading import open_regular_file
from skae.datasets._lazy_array import LazyArray

__all__ = ["ImageFolder"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Suffixes of image files, in lower or upper case."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats of Pillow that files may have, whatever their suffix is.

Pillow's other formats are decoded by rarely used code, and EPS by a program, Ghostscript.
"""

CHANNELS = {"L": (), "RGB": (3,)}
"""Shape of an image after height and width, for each mode."""

CHUNK_IMAGES = 16
"""Neighboring images that are read at once when rows are streamed, so that threads share them."""

SHARED_PIXELS = 2**14
"""Pixels of an image above which threads share the decoding. Smaller images are decoded faster by
one thread, because threads wait for each other."""

ORIENTATION = 0x0112
"""EXIF tag of the camera's orientation."""

FIRST_TRANSPOSED_ORIENTATION = 5
"""Orientation from which, up to 8, height and width of the stored image are exchanged."""


class ImageFolder(LazyArray):
    """Folder of images as a lazy array, which reads files when indexed.

    All methods that accept images accept an `ImageFolder`. The images need not fit into memory. An
    int or a slice returns images as an array. A list of ints or a mask returns a smaller
    `ImageFolder` and reads nothing. Scikit-learn's splits and searches therefore work on folders of
    any size.

    Parameters
    ----------
    path : str, Path, or list of str or Path
        A folder, which is searched with its subfolders for files with the suffix .bmp, .gif, .jpeg,
        .jpg, .pgm, .png, .ppm, .tif, .tiff or .webp. Or a list of files. Hidden files and folders,
        with names that start with a dot, are skipped.
    size : int or (int, int), default=None
        Height and width to which images are resized; an int is both. None: all images must have
        the same size already.
    mode : {"RGB", "L"}, default="RGB"
        Color with three channels, or grayscale.
    crop : bool, default=True
        Whether to center-crop images of another aspect ratio. If False, they are stretched.

    Attributes
    ----------
    paths : tuple of str
        The files. The files of a folder are sorted by name, in the same order on every machine.
    labels : ndarray of str of shape (n,)
        The first-level subfolder of `path` that contains each file, at any depth; empty for files
        in `path` itself. For a list of files, the name of each file's folder.
    classes : ndarray of str
        The distinct labels, sorted.
    shape : tuple of int
        (n, height, width), or (n, height, width, 3).
    dtype : numpy.dtype
        uint8.
    ndim : int
        3 or 4.
    chunks : tuple of int
        Shape of the chunk of images that is read at once when images are streamed.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If there are no images, if a file is not an image, or if sizes differ and `size` is None.
        Also when images are read, if a file can't be decoded. Messages have the file's name.

    See Also
    --------
    from_torch : PyTorch data set as a lazy array.

    Notes
    -----
    The header of every file is read at once, so broken files raise an error before training. Pixels
    are read and decoded when indexed. If most images have more than 16,384 pixels, they are decoded
    by as many threads as PyTorch has. A streaming `fit` decodes all images once in each epoch.

    Images are rotated according to their EXIF orientation. Transparent pixels become white. Of
    several frames, the first is used. Images are resized by bicubic interpolation with
    antialiasing. Large JPEG files are decoded at half, a quarter or an eighth of their size, if
    this is at least twice `size`. Images with 16 or 32 bits per gray level are refused.

    Examples
    --------
    >>> from pathlib import Path
    >>> import sklearn.datasets
    >>> from skae.datasets import ImageFolder
    >>> folder = Path(sklearn.datasets.__file__).parent / "images"
    >>> photos = ImageFolder(folder, size=(48, 64))
    >>> photos.shape
    (2, 48, 64, 3)
    >>> [Path(path).name for path in photos.paths]
    ['china.jpg', 'flower.jpg']
    >>> photos[0].shape
    (48, 64, 3)
    >>> photos[[1]].shape
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
        self.size = _validate_size(size)
        self.mode = mode
        self.crop = crop
        self.paths, labels = _list_files(path)
        self.labels = np.array(labels)
        sizes = [_read_size(file) for file in self.paths]
        image_size = self.size
        if image_size is None:
            _check_equal_sizes(self.paths, sizes)
            image_size = sizes[0]
        self._shares_decoding = float(np.median(np.prod(sizes, axis=1))) > SHARED_PIXELS
        super().__init__((len(self.paths), *image_size, *CHANNELS[mode]), np.uint8)

    @property
    def classes(self) -> np.ndarray:
        """The distinct labels, sorted."""
        return np.unique(self.labels)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the chunk of images that is read at once when images are streamed."""
        return (CHUNK_IMAGES, *self.shape[1:])

    def __repr__(self):
        return (
            f"<ImageFolder of {len(self)} images of {self.shape[1]} x {self.shape[2]} pixels, "
            f"mode={self.mode!r}>"
        )

    def _subset(self, indices):
        subset = super()._subset(indices)
        subset.paths = tuple(self.paths[index] for index in indices)
        subset.labels = self.labels[indices]
        return subset

    def _n_threads(self):
        if self._shares_decoding:
            return torch.get_num_threads()
        return 1

    def _read_item(self, index):
        from PIL import Image, ImageOps

        height, width = self.shape[1:3]
        with _open_image(self.paths[index]) as image:
            if self.size is not None:
                enough = (2 * width, 2 * height)
                if _is_transposed(image):
                    enough = enough[::-1]
                image.draft(self.mode, enough)
            ImageOps.exif_transpose(image, in_place=True)
            if image.has_transparency_data:
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image.convert("RGBA"))
            image = image.convert(self.mode)
            if self.size is None and image.size != (width, height):
                raise ValueError(
                    f"it has {image.height} x {image.width} pixels, but expected {height} x "
                    f"{width}."
                )
            # both leave every pixel unchanged if the image has the size already
            if self.crop:
                return np.asarray(ImageOps.fit(image, (width, height)))
            return np.asarray(image.resize((width, height)))


@contextmanager
def _open_image(path):
    """Open an image, and convert any error until it is closed to one with the file's name."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "ImageFolder needs Pillow, which is not installed: pip install skae[images]"
        ) from error
    try:
        with open_regular_file(path) as (file, _), Image.open(file, formats=FORMATS) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(
                    f"it has more than 8 bits per gray level (Pillow's mode {image.mode}), but "
                    "expected 8. Read the file with another library, and pass an array or a "
                    "memory map."
                )
            yield image
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises a dozen types of errors
        raise ValueError(f"Got {path!r}, which can't be read as an image: {error}") from error


def _is_transposed(image):
    """Return whether EXIF orientation exchanges height and width, if EXIF is in the header."""
    if "exif" not in image.info:
        return False
    return image.getexif().get(ORIENTATION, 1) >= FIRST_TRANSPOSED_ORIENTATION


def _read_size(path):
    """Read height and width of an upright image from its header."""
    with _open_image(path) as image:
        width, height = image.size
        if _is_transposed(image):
            return width, height
        return height, width


def _check_equal_sizes(paths, sizes):
    """Raise a ValueError that names two images of different sizes, if there are any."""
    height, width = sizes[0]
    for path, (other_height, other_width) in zip(paths, sizes, strict=True):
        if (other_height, other_width) != (height, width):
            raise ValueError(
                f"Got images of different sizes, {height} x {width} in {paths[0]!r} and "
                f"{other_height} x {other_width} in {path!r}, but expected one size. Set "
                "size=(height, width) to resize the images."
            )


def _list_files(path):
    """List the image files of a folder, or of a list, and their labels.

    Parameters
    ----------
    path : str, Path, or list of str or Path
        A folder or a list of files.

    Returns
    -------
    paths : tuple of str
        Absolute paths of the files.
    labels : tuple of str
        Label of each file.
    """
    if isinstance(path, (str, os.PathLike)):
        if not os.path.isdir(path):
            raise FileNotFoundError(
                f"Got path={os.fspath(path)!r}, but expected a folder of images, or a list of "
                "files."
            )
        files = list(_walk(os.path.abspath(path)))
    elif isinstance(path, Iterable):
        files = [(os.path.abspath(file), Path(file).absolute().parent.name) for file in path]
    else:
        raise TypeError(f"Got path={path!r}, but expected a folder of images, or a list of files.")
    if not files:
        raise ValueError(
            f"Got path={path!r} without images, but expected files with one of the suffixes "
            f"{', '.join(SUFFIXES)}."
        )
    paths, labels = zip(*files, strict=True)
    return paths, labels


def _walk(folder, label="", parents=()):
    """Yield each image in a folder and its subfolders, with its first-level subfolder as label."""
    real_path = os.path.realpath(folder)
    if real_path in parents:
        return  # a symbolic link leads back to a parent
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, label or entry.name, (*parents, real_path))
        elif entry.name.lower().endswith(SUFFIXES) and (entry.is_file() or entry.is_symlink()):
            yield entry.path, label


def _validate_size(size):
    """Return `size` as (height, width) or None, and raise a ValueError if it is invalid."""
    if size is None:
        return None
    pair = size
    if isinstance(size, Integral):
        pair = (size, size)
    is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
    if not is_pair or not all(isinstance(n, Integral) and n >= 1 for n in pair):
        raise ValueError(
            f"Got size={size!r}, but expected None, an int >= 1, or a pair (height, width) of "
            "ints >= 1."
        )
    return tuple(int(n) for n in pair)
