"""Folders of images: files and their order, decoding, and broken files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from skorch.callbacks import Callback

from skae.datasets import ImageFolder

from .data import conv, write


def test_a_folder_is_searched_at_any_depth(tmp_path):
    """Images at any depth are sorted by name; hidden files and other suffixes are skipped."""
    for name in (
        "b/2.png",
        "b/10.JPG",
        "a/x/y/z.jpeg",
        "ä ß/日本.webp",
        "top.bmp",
        ".hidden/1.png",
        "b/.hidden.png",
    ):
        write(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "empty.png").mkdir()
    folder = ImageFolder(tmp_path)
    names = [Path(path).relative_to(tmp_path).as_posix() for path in folder.paths]
    assert names == ["a/x/y/z.jpeg", "b/10.JPG", "b/2.png", "top.bmp", "ä ß/日本.webp"]
    assert folder.labels.tolist() == ["a", "b", "b", "", "ä ß"]
    assert folder.classes.tolist() == ["", "a", "b", "ä ß"]
    assert folder[:].shape == (5, 4, 6, 3)


def test_symbolic_links_are_followed(tmp_path):
    """Links to files and folders are followed, except to a parent folder; broken links raise."""
    write(tmp_path / "elsewhere" / "one.png")
    root = tmp_path / "root"
    write(root / "a" / "two.png")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "c.png").symlink_to(root / "a" / "two.png")
    (root / "a" / "loop").symlink_to(root)
    folder = ImageFolder(root)
    assert [Path(path).relative_to(root).as_posix() for path in folder.paths] == [
        "a/two.png",
        "b/one.png",
        "c.png",
    ]
    (root / "d.png").symlink_to(tmp_path / "nothing.png")
    with pytest.raises(
        ValueError, match=r"Got '.*d\.png', which can't be read as an image: .*No such file"
    ):
        ImageFolder(root)


def test_a_list_of_files_keeps_its_order(tmp_path):
    """A list of files keeps its order; labels are the names of the files' folders."""
    paths = [
        write(tmp_path / name, color=(i, i, i))
        for i, name in enumerate(["b/1.png", "a/c/1.png", "b/2.png"])
    ]
    folder = ImageFolder([paths[2], str(paths[0]), paths[1]])
    assert folder[:, ...][:, 0, 0, 0].tolist() == [2, 0, 1]
    assert folder.labels.tolist() == ["b", "b", "c"]


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("nothing", FileNotFoundError, "nothing', but expected a folder of images"),
        ("text.txt", FileNotFoundError, r"text.txt', but expected a folder"),
        ("empty", ValueError, r"without images, but expected files with one of the suffixes \.bmp"),
        ([], ValueError, "without images"),
    ],
)
def test_paths_without_images_raise(path, error, message, tmp_path):
    """A missing folder, and a folder or list without images, raise."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    with pytest.raises(error, match=message):
        ImageFolder(tmp_path / path if path else path)


@pytest.mark.parametrize("path", [None, 3])
def test_invalid_types_of_paths_raise(path):
    """`path` must be a folder or a list of files."""
    with pytest.raises(TypeError, match=f"Got path={path}, but expected a folder of images"):
        ImageFolder(path)


def test_images_are_cropped_or_stretched(tmp_path):
    """crop=True cuts out the center with its aspect ratio; crop=False stretches the whole image."""
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, :10] = 100
    image[:, 10:30] = 200
    Image.fromarray(image).save(tmp_path / "wide.png")
    Image.fromarray(image.swapaxes(0, 1)).save(tmp_path / "xtall.png")
    cropped = ImageFolder(tmp_path, size=10)[:]
    assert (cropped[:, 3:7, 3:7] == 200).all()
    assert (cropped != 100).all()
    stretched = ImageFolder(tmp_path, size=(10, 10), crop=False)[:]
    assert (stretched[0, :, 0] == 100).all()
    assert (stretched[1, 0] == 100).all()


def test_images_of_the_requested_size_are_unchanged(digits_folder):
    """Pixels of an image of the requested size are unchanged, with any `crop`."""
    root, images, _ = digits_folder
    for crop in (True, False):
        assert_array_equal(ImageFolder(root, size=8, mode="L", crop=crop)[:5], images[:5])


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (50, 70)])
def test_images_of_one_pixel(size, tmp_path):
    """An image of one pixel can be enlarged, and images can be reduced to one pixel."""
    write(tmp_path / "a.png", size=(1, 1))
    write(tmp_path / "b.png", size=(30, 20))
    folder = ImageFolder(tmp_path, size=size)
    assert folder.shape == (2, *size, 3)
    assert (folder[:] == [200, 100, 0]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (30, 20), (9, 6)])
def test_exif_orientation(orientation, size, tmp_path):
    """Images of every EXIF orientation are upright, also if decoded at a smaller size."""
    upright = np.zeros((30, 20, 3), np.uint8)
    upright[:10, :10] = 255
    stored = upright
    if size is not None:
        stored = np.kron(upright, np.ones((4, 4, 1), np.uint8))
    image = Image.fromarray(stored)
    if orientation > 1:
        image = image.transpose(Image.Transpose[TRANSPOSITIONS[orientation - 2]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    image = ImageFolder(tmp_path, size=size)[0].astype(float)
    height, width = size or (30, 20)
    assert image.shape == (height, width, 3)
    assert image[: height // 4, : width // 3].min() > 200
    assert image[height // 2 :].max() < 60
    assert image[:, 2 * width // 3 :].max() < 60


TRANSPOSITIONS = [
    "FLIP_LEFT_RIGHT",
    "ROTATE_180",
    "FLIP_TOP_BOTTOM",
    "TRANSPOSE",
    "ROTATE_90",
    "TRANSVERSE",
    "ROTATE_270",
]
"""Transposition of an upright image for the orientations from 2 to 8."""


def test_exif_orientation_of_tiff_files(tmp_path):
    """TIFF files, which Pillow rotates itself, are rotated once."""
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    image.save(tmp_path / "a.tif", tiffinfo={0x0112: 6}, compression="tiff_lzw")
    folder = ImageFolder(tmp_path, mode="L")
    assert_array_equal(folder[0], np.rot90(np.arange(6).reshape(2, 3), -1))


def test_transparent_pixels_become_white(tmp_path):
    """Images with alpha channel, also gray and palette images, are composited over white."""
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    Image.fromarray(np.array([[[10, 255], [20, 0], [0, 128]]], np.uint8), "LA").save(
        tmp_path / "b.png"
    )
    palette = Image.fromarray(np.array([[0, 1, 0]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "c.png", transparency=1)
    images = ImageFolder(tmp_path)[:]
    assert_array_equal(images[0, 0], [[255, 0, 0], [255, 255, 255], [127, 127, 127]])
    assert_array_equal(images[1, 0, :, 0], [10, 255, 127])
    assert_array_equal(images[2, 0], [[255, 0, 0], [255, 255, 255], [255, 0, 0]])


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "1"), ("a.png", "P"), ("a.gif", "P"), ("a.jpg", "CMYK")]
)
def test_other_color_modes(name, mode, tmp_path):
    """Bilevel, palette and CMYK images are read."""
    write(tmp_path / name, mode=mode, color=(255, 255, 255))
    assert ImageFolder(tmp_path)[0].min() > 250
    assert ImageFolder(tmp_path, mode="L")[0].min() > 250


@pytest.mark.parametrize(
    ("dtype", "mode"), [(np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F")]
)
def test_more_than_eight_bits_are_refused(dtype, mode, tmp_path):
    """Images with more than 8 bits per gray level raise an error with the file's name."""
    Image.fromarray(np.ones((4, 6), dtype)).save(tmp_path / "deep.tif")
    with pytest.raises(
        ValueError,
        match=rf"deep\.tif', .*: it has more than 8 bits .* mode {mode}\), but expected 8",
    ):
        ImageFolder(tmp_path)


def test_modes_that_pillow_cannot_convert_raise(tmp_path):
    """An image in a mode that Pillow can't convert raises an error with the file's name."""
    Image.new("LAB", (6, 4)).save(tmp_path / "a.tif")
    with pytest.raises(
        ValueError, match=r"Got '.*a\.tif', which can't be read as an image: conversion from LAB"
    ):
        ImageFolder(tmp_path, mode="L")[:]


def test_large_jpeg_files_are_decoded_at_a_smaller_size(tmp_path):
    """A large JPEG decoded at a smaller size is close to a resized full decoding."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    photograph = small.resize((1600, 1200), Image.Resampling.BICUBIC)
    photograph.save(tmp_path / "a.jpg", quality=95)
    expected = np.asarray(photograph.resize((64, 48), Image.Resampling.BICUBIC), float)
    image = ImageFolder(tmp_path, size=(48, 64))[0]
    assert np.abs(image - expected).mean() < 2
    assert ImageFolder(tmp_path, size=(48, 64), mode="L")[0].shape == (48, 64)


def test_jpeg_files_are_decoded_at_least_at_twice_the_size(tmp_path):
    """A JPEG of eight times the size is not decoded at an eighth, which would lose detail."""
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    photograph = Image.fromarray(noise).resize((800, 600), Image.Resampling.BICUBIC)
    photograph.save(tmp_path / "a.jpg", quality=95)
    expected = np.asarray(photograph.resize((100, 75), Image.Resampling.BICUBIC), float)
    with Image.open(tmp_path / "a.jpg") as image:
        image.draft("RGB", (100, 75))
        coarse = np.asarray(image, float)
    decoded = ImageFolder(tmp_path, size=(75, 100))[0]
    assert np.abs(decoded - expected).mean() < 0.6 * np.abs(coarse - expected).mean()


@pytest.mark.parametrize("size", [0, -3, 2.5, (3,), (3, 0), (1, 2, 3), "large", (3, None)])
def test_invalid_sizes_raise(size, tmp_path):
    """`size` must be a positive int or a pair of positive ints."""
    with pytest.raises(
        ValueError,
        match=r"Got size=.*, but expected None, an int >= 1, or a pair \(height, width\)",
    ):
        ImageFolder(write(tmp_path / "a.png").parent, size=size)


def test_invalid_modes_raise(tmp_path):
    """`mode` must be "RGB" or "L"."""
    with pytest.raises(ValueError, match="Got mode='gray', but expected 'RGB' or 'L'"):
        ImageFolder(tmp_path, mode="gray")


def test_different_sizes_raise(tmp_path):
    """Without `size`, images of different sizes raise an error that names two files."""
    write(tmp_path / "a.png")
    write(tmp_path / "b.png", size=(7, 4))
    message = r"different sizes, 4 x 6 in '.*a\.png' and 4 x 7 in '.*b\.png', but expected one size"
    with pytest.raises(ValueError, match=message):
        ImageFolder(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"This is a text.", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_files_that_are_not_images_raise(content, tmp_path):
    """Empty files, text files and files without a complete header raise before reading pixels."""
    write(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"Got '.*bad\.png', which can't be read as an image"):
        ImageFolder(tmp_path, size=4)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_files_stop_a_fit(suffix, tmp_path, streams):
    """Truncated files raise in fit and transform, and the estimator is unchanged."""
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(
            tmp_path / f"{number:02d}.{suffix}"
        )
    fitted = conv().fit(ImageFolder(tmp_path, mode="L"))
    before = fitted.transform(ImageFolder(tmp_path, mode="L"))
    broken = tmp_path / f"31.{suffix}"
    content = broken.read_bytes()
    broken.write_bytes(content[:-60])
    folder = ImageFolder(tmp_path, mode="L")
    with pytest.raises(ValueError, match=rf"Got '.*31\.{suffix}', which can't be read as an image"):
        fitted.fit(folder)
    with pytest.raises(ValueError, match=rf"31\.{suffix}"):
        fitted.transform(folder)
    broken.write_bytes(content)
    assert_array_equal(fitted.transform(folder), before)


class ChangeFile(Callback):
    """Callback that changes a file at the end of each epoch."""

    def __init__(self, change):
        self.change = change

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        self.change()


def test_files_deleted_or_changed_during_training_raise(
    digits_folder, tmp_path, streams, monkeypatch
):
    """A file that is deleted or resized during a fit raises an error with its name."""
    monkeypatch.setattr("skae._training.setup.MAX_PREPARED_BYTES", 0)
    for number, image in enumerate(digits_folder[1]):
        Image.fromarray(image).save(tmp_path / f"{number:03d}.png")
    folder = ImageFolder(tmp_path, mode="L")
    resizing = ChangeFile(lambda: Image.new("L", (9, 8)).save(tmp_path / "044.png"))
    with pytest.raises(
        ValueError,
        match=r"044\.png', which can't be read as an image: it has 8 x 9 pixels, but expected 8 x 8",
    ):
        conv(max_iter=5, net_params={"callbacks": [resizing]}, early_stopping=False).fit(folder)
    Image.new("L", (8, 8)).save(tmp_path / "044.png")
    deletion = ChangeFile((tmp_path / "044.png").unlink)
    with pytest.raises(
        ValueError, match=r"044\.png', which can't be read as an image: .*No such file"
    ):
        conv(max_iter=5, net_params={"callbacks": [deletion]}, early_stopping=False).fit(folder)


def test_missing_pillow_raises(tmp_path):
    """Without Pillow, skae.datasets can be imported, and ImageFolder's error names the extra."""
    write(tmp_path / "a.png")
    code = "import sys; sys.modules['PIL'] = None; from skae.datasets import ImageFolder; ImageFolder(sys.argv[1])"
    process = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert (
        "ImportError: ImageFolder needs Pillow, which is not installed: pip install skae[images]"
        in process.stderr
    )
    assert "The above exception was the direct cause" in process.stderr
