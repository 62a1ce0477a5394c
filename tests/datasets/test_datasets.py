"""Folders of images and PyTorch data sets as lazy arrays, and files in the IDX format."""

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_predict, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from skorch.callbacks import Callback
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
)

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    LatentCodec,
    ReconstructionDetector,
    ReconstructionDisplay,
)
from skae._input import streaming
from skae.datasets import ImageFolder, _images, from_torch, load_idx

N = 60


def conv(**parameters):
    """Create a small convolutional autoencoder."""
    return ConvAutoencoder(
        3, **{"max_iter": 2, "n_filters": 2, "random_state": 0, "batch_size": 16, **parameters}
    )


@pytest.fixture
def streams(monkeypatch):
    """Stream small data, too, with small blocks and buffers."""
    monkeypatch.setattr(streaming, "STREAMED_BYTES", 0)
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 512)
    monkeypatch.setattr(streaming, "BUFFER_BYTES", 2048)


@pytest.fixture(scope="module")
def digits_folder(tmp_path_factory):
    """Write 60 digits as PNG files, one subfolder a class; return folder, images and labels."""
    root = tmp_path_factory.mktemp("digits")
    images, labels = load_digits().images[:N], load_digits().target[:N]
    order = np.argsort(labels, kind="stable")
    images, labels = (images[order] * 15).astype(np.uint8), labels[order].astype(str)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / label / f"{number:03d}.png")
    return root, images, labels


def write(path, size=(6, 4), color=(200, 100, 0), mode="RGB"):
    """Write an image of one color and of `size` (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).convert(mode).save(path)
    return path


# ---------------------------------------------------------------------------------------------------- indexing


def test_a_folder_is_an_array_of_images(digits_folder):
    """Shape, dtype, pixels and labels are those of the files, sorted by name."""
    root, images, labels = digits_folder
    folder = ImageFolder(root, mode="L")
    assert (folder.shape, folder.dtype, folder.ndim, len(folder)) == ((N, 8, 8), np.uint8, 3, N)
    assert_array_equal(folder[:], images)
    assert_array_equal(folder[7], images[7])
    assert folder[7].flags.writeable
    assert_array_equal(np.asarray(folder, dtype=np.float32), images)
    assert_array_equal(folder.labels, labels)
    assert_array_equal(folder.classes, np.unique(labels))
    assert [Path(path).name for path in folder.paths] == [
        f"{number:03d}.png" for number in range(N)
    ]
    assert "60 images of 8 x 8 pixels" in repr(folder)
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(folder, copy=False)


def test_color_images_have_three_channels(digits_folder):
    """Gray files read as color images have three equal channels."""
    root, images, _ = digits_folder
    folder = ImageFolder(root)
    assert folder.shape == (N, 8, 8, 3)
    assert_array_equal(folder[:5], np.repeat(images[:5, ..., None], 3, axis=-1))


@given(st.data())
def test_indexing_is_that_of_arrays(data):
    """Ints, slices, lists and masks select as in an array; lists and masks read nothing."""
    n = 12
    X = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    read = []

    class RecordingDataset(TensorDataset):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    items = from_torch(RecordingDataset(torch.from_numpy(X)))
    indices = data.draw(st.lists(st.integers(-n, n - 1), max_size=20))
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    chunk = data.draw(st.slices(n))
    expected = X[np.array(indices, dtype=int)]
    half = len(indices) // 2
    read.clear()
    subset = items[np.array(indices, dtype=int)]
    masked = items[mask]
    assert not read
    assert subset.shape == expected.shape
    if indices:
        reversed_items = items[indices, ...][::-1]
        assert len(read) == len(indices)
        assert_array_equal(reversed_items[:half], expected[::-1][:half])
    assert_array_equal(subset[:], expected)
    assert_array_equal(masked[:], X[mask])
    assert_array_equal(items[chunk], X[chunk])
    for index in indices:
        assert_array_equal(items[index], X[index])
    assert_array_equal(np.stack(list(items)), X)
    assert_array_equal(items[np.array(indices, dtype=np.int8)][:], expected)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (N, "Got index 60, which is out of bounds for 60 items"),
        (-N - 1, "Got index -61"),
        ([0, N], "Got index 60"),
        ([True, False], "a mask of 60 booleans"),
        ([0.5], "but expected an int, a slice"),
        ("a", "but expected an int, a slice"),
        (None, "but expected an int, a slice"),
        (True, "a mask of 60 booleans"),
        (([0], [1]), "but expected an int, a slice"),
        ((slice(2), slice(3)), "but expected an int, a slice"),
    ],
)
def test_invalid_indices_raise(index, message, digits_folder):
    """Indices that are out of bounds, or of an invalid type, raise an IndexError."""
    folder = ImageFolder(digits_folder[0], mode="L")
    with pytest.raises(IndexError, match=message):
        folder[index]


def test_large_images_are_decoded_by_threads(digits_folder, monkeypatch):
    """Large images are decoded by as many threads as PyTorch has, with equal results."""
    root, images, _ = digits_folder
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert ImageFolder(root, mode="L")._n_threads() == 1
    monkeypatch.setattr(_images, "SHARED_PIXELS", 0)
    folder = ImageFolder(root, mode="L")
    for threads in (1, 2, 5, 100):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert folder._n_threads() == threads
        assert_array_equal(folder[:], images)
        assert_array_equal(folder[3:5], images[3:5])


# ------------------------------------------------------------------------------------------------- files and their order


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


# ------------------------------------------------------------------------------------------------------- decoding


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
    stream_if_large = upright
    if size is not None:
        stream_if_large = np.kron(upright, np.ones((4, 4, 1), np.uint8))
    image = Image.fromarray(stream_if_large)
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


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint16, 16), (np.int32, 32), (np.float32, 32)])
def test_more_than_eight_bits_are_refused(dtype, bits, tmp_path):
    """Images with more than 8 bits per gray level raise an error with the file's name."""
    Image.fromarray(np.ones((4, 6), dtype)).save(tmp_path / "deep.tif")
    with pytest.raises(
        ValueError, match=rf"deep\.tif', .*: it has {bits} bits per gray level, but expected 8"
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


# ----------------------------------------------------------------------------------------------------------- broken files


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


class Change(Callback):
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
    resizing = Change(lambda: Image.new("L", (9, 8)).save(tmp_path / "044.png"))
    with pytest.raises(
        ValueError,
        match=r"044\.png', which can't be read as an image: it has 8 x 9 pixels, but expected 8 x 8",
    ):
        conv(max_iter=5, net_params={"callbacks": [resizing]}, early_stopping=False).fit(folder)
    Image.new("L", (8, 8)).save(tmp_path / "044.png")
    deletion = Change((tmp_path / "044.png").unlink)
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


# ------------------------------------------------------------------------------------------------------- estimators


def test_small_folders_are_fitted_as_arrays(digits_folder):
    """Results of a folder that fits into memory are bitwise those of its array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    fitted = conv().fit(folder)
    assert fitted.image_shape_ == (8, 8)
    assert_array_equal(fitted.transform(folder), conv().fit(images).transform(images))


def test_folders_are_streamed(digits_folder, streams):
    """A folder larger than memory is streamed, and all methods have the results of its array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    assert isinstance(streaming.stream_if_large(folder), streaming.StreamedRows)
    fitted = conv(max_iter=5).fit(folder)
    assert_array_equal(fitted.transform(folder), fitted.transform(images))
    assert_array_equal(fitted.reconstruct(folder), fitted.reconstruct(images))
    assert_array_equal(fitted.reconstruction_error(folder), fitted.reconstruction_error(images))
    assert fitted.score(folder) == fitted.score(images)
    assert fitted.score(folder) > 0.3
    assert fitted.partial_fit(folder).n_iter_ == 6


def test_streamed_files_are_decoded_in_chunks(digits_folder):
    """Streaming reads chunks of 16 neighboring files, the attribute `chunks` of a folder."""
    folder = ImageFolder(digits_folder[0], mode="L", size=600)
    assert folder.chunks == (16, 600, 600)
    assert streaming.StreamedRows(folder).block_size == 16


def test_folders_are_pickled_without_images(digits_folder):
    """A pickled folder has file names and no pixels, and reads the files after loading."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L", size=200)
    assert len(pickle.dumps(folder)) < 200 * N
    assert_array_equal(
        pickle.loads(pickle.dumps(ImageFolder(root, mode="L")[[5, 3]]))[:], images[[5, 3]]
    )


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_splits_and_searches(n_jobs, digits_folder, streams):
    """train_test_split, cross-validation and grid search accept a folder and its labels."""
    root, images, labels = digits_folder
    folder = ImageFolder(root, mode="L")
    train, test, y_train, y_test = train_test_split(
        folder, folder.labels, stratify=folder.labels, random_state=0
    )
    assert isinstance(train, ImageFolder)
    assert_array_equal(y_test, test.labels)
    assert_array_equal(test[:], train_test_split(images, stratify=labels, random_state=0)[1])
    pipeline = Pipeline([("ae", conv(max_iter=5)), ("clf", SVC(C=10))])
    search = GridSearchCV(
        pipeline, {"ae__n_components": [1, 6]}, cv=2, n_jobs=n_jobs, error_score="raise"
    ).fit(train, y_train)
    assert search.best_params_ == {"ae__n_components": 6}
    assert search.score(test, y_test) > 0.5
    assert cross_val_predict(pipeline, folder, folder.labels, cv=2, n_jobs=n_jobs).shape == (N,)


def test_uses_of_autoencoders_accept_folders(digits_folder, closed_figures):
    """Detector, codec and display have equal results for a folder and its array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    detector = ReconstructionDetector(conv()).fit(folder)
    assert_array_equal(detector.score_samples(folder), detector.score_samples(images))
    codec = LatentCodec(conv()).fit(folder)
    assert codec.decompress(codec.compress(folder[:3])).shape == (3, 8, 8)
    display = ReconstructionDisplay.from_estimator(conv().fit(folder), folder, n_samples=2)
    assert_array_equal(display.originals, images[:2])


# ------------------------------------------------------------------------------------------------------- PyTorch data sets


class Pairs(Dataset):
    """Pairs of an image with channels first and a label, as in torchvision's data sets."""

    def __init__(self, n=40, kind="tensor"):
        self.X = torch.randint(
            0, 255, (n, 3, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
        )
        self.kind = kind

    def __len__(self):
        return len(self.X)

    def __getitem__(self, number):
        x = self.X[number]
        if self.kind == "image":
            return Image.fromarray(x.movedim(0, -1).numpy()), number % 2
        if self.kind == "dict":
            return {"image": x, "label": number % 2}
        if self.kind == "half":
            return x.bfloat16(), number % 2
        if self.kind == "array":
            return x.numpy(), number % 2
        return x, number % 2


@pytest.mark.parametrize("kind", ["tensor", "array", "half", "dict", "image"])
def test_pytorch_datasets(kind, streams):
    """Items may be tensors, arrays, Pillow images, or tuples or dicts of these, also streamed."""
    dataset = Pairs(kind=kind)
    image_part, label_part = 0, 1
    if kind == "dict":
        image_part, label_part = "image", "label"
    expected, channel_axis, dtype, rtol = dataset.X.numpy(), 1, np.uint8, 0
    if kind == "image":
        expected, channel_axis = np.moveaxis(expected, 1, -1), -1
    if kind == "half":
        dtype, rtol = np.float32, 0.01
    X = from_torch(dataset, part=image_part)
    assert_allclose(X[:], expected, rtol=rtol)
    assert X.dtype == dtype
    assert "40 items of shape" in repr(X)
    fitted = conv(channel_axis=channel_axis).fit(X)
    assert_array_equal(fitted.transform(X), fitted.transform(X[:]))
    assert_array_equal(from_torch(dataset, part=label_part)[:], np.arange(40) % 2)


def test_subsets_and_concatenated_datasets(streams):
    """Subsets, concatenated data sets and splits of them are read in their own order."""
    dataset = Pairs()
    joined = from_torch(ConcatDataset([Subset(dataset, [5, 3]), Subset(dataset, [1])]))
    assert_array_equal(joined[:], dataset.X[[5, 3, 1]].numpy())
    train, test = train_test_split(from_torch(dataset), random_state=0)
    assert_array_equal(test[:], train_test_split(dataset.X.numpy(), random_state=0)[1])
    assert_array_equal(pickle.loads(pickle.dumps(train))[:3], train[:3])
    search = GridSearchCV(
        conv(channel_axis=1), {"max_iter": [1, 2]}, cv=2, n_jobs=2, error_score="raise"
    ).fit(train)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_pytorch_tables():
    """A DenseAutoencoder accepts a data set of vectors."""
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    X = from_torch(TensorDataset(rows))
    fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    assert_array_equal(fitted.transform(X), fitted.transform(rows.numpy()))


class Stream(IterableDataset):
    """Data set without indexing."""

    def __iter__(self):
        yield torch.zeros(3)


class Uneven(Dataset):
    """Data set with a third item of another shape or dtype than the first."""

    def __init__(self, other):
        self.other = other

    def __len__(self):
        return 5

    def __getitem__(self, number):
        return self.other if number == 2 else torch.zeros(3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (Stream(), TypeError, "type Stream, but expected a map-style dataset"),
        (7, TypeError, "type int, but expected a map-style dataset"),
        (TensorDataset(torch.zeros(0, 3)), ValueError, "without items"),
        ([("text", 1)], TypeError, "item of type str, but expected a tensor"),
        (
            Uneven(torch.zeros(4, dtype=torch.uint8)),
            ValueError,
            r"item 2 of shape \(4,\) and dtype uint8, but expected shape \(3,\) and dtype",
        ),
        (
            Uneven(torch.zeros(3)),
            ValueError,
            r"item 2 of shape \(3,\) and dtype float32, but expected shape \(3,\) and dtype uint8",
        ),
    ],
)
def test_invalid_datasets_raise(dataset, error, message):
    """Data sets without indexing or items, and items of different shapes or dtypes, raise."""
    with pytest.raises(error, match=message):
        from_torch(dataset)[:]


def test_fit_on_a_pytorch_dataset_names_from_torch():
    """Fit on a PyTorch data set or data loader raises an error that names from_torch."""
    for X in (Pairs(), DataLoader(Pairs())):
        with pytest.raises(
            TypeError,
            match=rf"Got X as a torch {type(X).__name__}, .* skae\.datasets\.from_torch",
        ):
            conv(channel_axis=1).fit(X)


# --------------------------------------------------------------------------------------------------------------- IDX files


def idx(array, code=0x08):
    """Return the content of an IDX file with an array."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return (
        bytes([0, 0, code, array.ndim])
        + sizes
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_four_files(dotted, compressed, tmp_path):
    """Training and test images and labels are read as writable arrays, compressed or not."""
    rng = np.random.default_rng(0)
    shapes = {
        "train-images-idx3-ubyte": (7, 5, 4),
        "train-labels-idx1-ubyte": (7,),
        "t10k-images-idx3-ubyte": (3, 5, 4),
        "t10k-labels-idx1-ubyte": (3,),
    }
    expected = []
    for name, shape in shapes.items():
        expected.append(rng.integers(0, 255, shape, dtype=np.uint8))
        content = idx(expected[-1])
        if dotted:
            name = name.replace("-idx", ".idx")
        if compressed:
            name += ".gz"
            content = gzip.compress(content)
        (tmp_path / name).write_bytes(content)
    for array, expected_array in zip(load_idx(tmp_path), expected, strict=True):
        assert_array_equal(array, expected_array)
        assert array.dtype == np.uint8
        assert array.flags.writeable
    os.remove(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="without t10k-labels-idx1-ubyte"):
        load_idx(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "code"), [("i1", 9), ("i2", 11), ("i4", 12), ("f4", 13), ("f8", 14)]
)
def test_other_dtypes(dtype, code, tmp_path):
    """All dtypes of the format are read, in native byte order."""
    expected = np.arange(-3, 3).astype(dtype)
    (tmp_path / "one").write_bytes(idx(expected, code))
    array = load_idx(tmp_path / "one")
    assert array.dtype == expected.dtype
    assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not in the IDX format"),
        (b"some text", "not in the IDX format"),
        (b"\0\0\x08\x03\0\0", "not in the IDX format"),
        (idx(np.zeros((4, 5), np.uint8))[:-1], "with 31 bytes, but expected 32"),
        (idx(np.zeros((4, 5), np.uint8)) + b"\0", "with 33 bytes, but expected 32"),
        (gzip.compress(idx(np.zeros((4, 5), np.uint8)))[:-9], "can't be decompressed"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "but expected"),
    ],
    ids=[
        "empty",
        "text",
        "head-cut",
        "cut",
        "too-long",
        "gzip-cut",
        "huge",
    ],  # gzip's bytes hold the time
)
def test_invalid_idx_files_raise(content, message, tmp_path):
    """Truncated, too long and other files raise an error with the name, before allocation."""
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(ValueError, match=rf"Got '.*broken'.*{message}"):
        load_idx(tmp_path / "broken")


class Dicts(Dataset):
    """Data set of two items that are dicts."""

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return {"image": torch.zeros(3), "label": number}


@pytest.mark.parametrize(
    ("dataset", "part", "message"),
    [
        (Dicts(), 0, r"Got part=0, but expected one of the keys \['image', 'label'\]"),
        (
            Dicts(),
            "pixels",
            r"Got part='pixels', but expected one of the keys \['image', 'label'\]",
        ),
        (
            TensorDataset(torch.zeros(2, 3)),
            1,
            "Got part=1, but expected a position from 0 to 0",
        ),
        (
            TensorDataset(torch.zeros(2, 3)),
            "image",
            "Got part='image', but expected a position from 0",
        ),
    ],
)
def test_invalid_parts_raise(dataset, part, message):
    """A `part` that items don't have raises an error with the valid positions or keys."""
    with pytest.raises(ValueError, match=message):
        from_torch(dataset, part=part)


@pytest.mark.parametrize("path", [None, 3])
def test_invalid_types_of_paths_raise(path):
    """`path` must be a folder or a list of files."""
    with pytest.raises(TypeError, match=f"Got path={path}, but expected a folder of images"):
        ImageFolder(path)
