"""Data that is not an array yet: folders of images, torch's datasets, IDX files."""

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
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    LatentCodec,
    ReconstructionDetector,
    ReconstructionDisplay,
    _batches,
    _stored,
)
from skae.datasets import ImageFolder, _images, from_torch, load_idx

N = 60


def conv(**parameters):
    """Make a small convolutional autoencoder."""
    return ConvAutoencoder(3, **{"max_iter": 2, "n_filters": 2, "random_state": 0, "batch_size": 16, **parameters})


@pytest.fixture
def streams(monkeypatch):
    """Stream what is small, in small blocks and buffers."""
    monkeypatch.setattr(_stored, "STREAMED_BYTES", 0)
    monkeypatch.setattr(_stored, "BLOCK_BYTES", 512)
    monkeypatch.setattr(_batches, "BUFFER_BYTES", 2048)


@pytest.fixture(scope="module")
def digits_folder(tmp_path_factory):
    """Sixty digits as PNG files, in a folder for each class; gives the folder, the images in its order, and their labels."""
    root = tmp_path_factory.mktemp("digits")
    images, labels = load_digits().images[:N], load_digits().target[:N]
    order = np.argsort(labels, kind="stable")
    images, labels = (images[order] * 15).astype(np.uint8), labels[order].astype(str)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / label / f"{number:03d}.png")
    return root, images, labels


def write(path, size=(6, 4), colour=(200, 100, 0), mode="RGB"):
    """Write an image of one colour, `size` as (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path)
    return path


# ---------------------------------------------------------------------------------------------------- what is read


def test_a_folder_is_an_array_of_its_images(digits_folder):
    """Shape, dtype, pixels and labels are those of the files, in the order of their names."""
    root, images, labels = digits_folder
    folder = ImageFolder(root, mode="L")
    assert (folder.shape, folder.dtype, folder.ndim, len(folder)) == ((N, 8, 8), np.uint8, 3, N)
    assert_array_equal(folder[:], images)
    assert_array_equal(folder[7], images[7])
    assert folder[7].flags.writeable
    assert_array_equal(np.asarray(folder, dtype=np.float32), images)
    assert_array_equal(folder.labels, labels)
    assert_array_equal(folder.classes, np.unique(labels))
    assert [Path(path).name for path in folder.paths] == [f"{number:03d}.png" for number in range(N)]
    assert "60 images of 8 x 8 pixels" in repr(folder)
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(folder, copy=False)


def test_colour_has_three_channels(digits_folder):
    """Grey files read as colour have three equal channels."""
    root, images, _ = digits_folder
    folder = ImageFolder(root)
    assert folder.shape == (N, 8, 8, 3)
    assert_array_equal(folder[:5], np.repeat(images[:5, ..., None], 3, axis=-1))


@given(st.data())
def test_indices_are_those_of_arrays(data):
    """Numbers, slices, lists of numbers and masks choose what they choose of an array; lists and masks read nothing."""
    n = 12
    X = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    read = []

    class Noting(TensorDataset):
        def __getitem__(self, number):
            read.append(number)
            return super().__getitem__(number)

    items = from_torch(Noting(torch.from_numpy(X)))
    numbers = data.draw(st.lists(st.integers(-n, n - 1), max_size=20))
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    piece = data.draw(st.slices(n))
    read.clear()
    chosen, masked = items[np.array(numbers, dtype=int)], items[mask]
    again = items[numbers, ...][::-1][: len(numbers) // 2] if numbers else X[:0]
    assert len(read) == len(numbers) if numbers else not read
    assert chosen.shape == X[numbers].shape if numbers else chosen.shape == (0, 2)
    assert_array_equal(chosen[:], X[numbers] if numbers else X[:0])
    assert_array_equal(again, X[numbers][::-1][: len(numbers) // 2] if numbers else X[:0])
    assert_array_equal(masked[:], X[mask])
    assert_array_equal(items[piece], X[piece])
    assert all(np.array_equal(items[number], X[number]) for number in numbers)
    assert_array_equal(np.stack(list(items)), X)
    assert_array_equal(items[np.array(numbers, dtype=np.int8)][:], X[numbers] if numbers else X[:0])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (N, "Got the index 60, but expected one below 60"),
        (-N - 1, "Got the index -61"),
        ([0, N], "Got the index 60"),
        ([True, False], "a mask of 60 booleans"),
        ([0.5], "but expected a number, a slice"),
        ("a", "but expected a number, a slice"),
        (None, "but expected a number, a slice"),
        (True, "a mask of 60 booleans"),
        (([0], [1]), "but expected a number, a slice"),
        ((slice(2), slice(3)), "but expected a number, a slice"),
    ],
)
def test_other_indices_are_refused(index, message, digits_folder):
    """What is not there, or can't be an index, is an IndexError that says what is."""
    folder = ImageFolder(digits_folder[0], mode="L")
    with pytest.raises(IndexError, match=message):
        folder[index]


def test_threads_read_what_one_reads(digits_folder, monkeypatch):
    """Large images are decoded by as many threads as torch has, and are the same, in the same places; small ones by one."""
    root, images, _ = digits_folder
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert ImageFolder(root, mode="L")._threads() == 1
    monkeypatch.setattr(_images, "SHARED_PIXELS", 0)
    folder = ImageFolder(root, mode="L")
    for threads in (1, 2, 5, 100):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert folder._threads() == threads
        assert_array_equal(folder[:], images)
        assert_array_equal(folder[3:5], images[3:5])


# ------------------------------------------------------------------------------------------------- which files, in what order


def test_which_files_are_found(tmp_path):
    """All images at any depth, ordered by name; not what is hidden or has another ending; names in any script."""
    for name in ("b/2.png", "b/10.JPG", "a/x/y/z.jpeg", "ä ß/日本.webp", "top.bmp", ".hidden/1.png", "b/.hidden.png"):
        write(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "empty.png").mkdir()
    folder = ImageFolder(tmp_path)
    names = [Path(path).relative_to(tmp_path).as_posix() for path in folder.paths]
    assert names == ["a/x/y/z.jpeg", "b/10.JPG", "b/2.png", "top.bmp", "ä ß/日本.webp"]
    assert folder.labels.tolist() == ["a", "b", "b", "", "ä ß"]
    assert folder.classes.tolist() == ["", "a", "b", "ä ß"]
    assert folder[:].shape == (5, 4, 6, 3)


def test_links_are_followed(tmp_path):
    """Links to files and folders are read; one that leads back to where it is ends there; a broken one is an error."""
    write(tmp_path / "elsewhere" / "one.png")
    root = tmp_path / "root"
    write(root / "a" / "two.png")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "c.png").symlink_to(root / "a" / "two.png")
    (root / "a" / "loop").symlink_to(root)
    folder = ImageFolder(root)
    assert [Path(path).relative_to(root).as_posix() for path in folder.paths] == ["a/two.png", "b/one.png", "c.png"]
    (root / "d.png").symlink_to(tmp_path / "nothing.png")
    with pytest.raises(ValueError, match=r"Got '.*d\.png', which can't be read as an image: .*No such file"):
        ImageFolder(root)


def test_files_may_be_listed(tmp_path):
    """A list of files is taken as it is, in its order; labels are the folders that they lie in."""
    paths = [write(tmp_path / name, colour=(i, i, i)) for i, name in enumerate(["b/1.png", "a/c/1.png", "b/2.png"])]
    folder = ImageFolder([paths[2], str(paths[0]), paths[1]])
    assert folder[:, ...][:, 0, 0, 0].tolist() == [2, 0, 1]
    assert folder.labels.tolist() == ["b", "b", "c"]


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("nothing", FileNotFoundError, "nothing', but expected a folder of images"),
        ("text.txt", FileNotFoundError, r"text.txt', but expected a folder"),
        ("empty", ValueError, r"without images, but expected names that end in \.bmp"),
        ([], ValueError, "without images"),
    ],
)
def test_without_images(path, error, message, tmp_path):
    """No folder, and none with images, are errors that say what is expected."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    with pytest.raises(error, match=message):
        ImageFolder(tmp_path / path if path else path)


# ------------------------------------------------------------------------------------------------------- how they are read


def test_images_are_cropped_or_stretched(tmp_path):
    """With crop the middle is kept in its proportions; without, all of the image is there."""
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


def test_pixels_stay_where_the_size_is_right(digits_folder):
    """An image that has the size already is not touched, cropped or not."""
    root, images, _ = digits_folder
    for crop in (True, False):
        assert_array_equal(ImageFolder(root, size=8, mode="L", crop=crop)[:5], images[:5])


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (50, 70)])
def test_one_pixel(size, tmp_path):
    """An image of one pixel is read, and enlarged; one is made of many."""
    write(tmp_path / "a.png", size=(1, 1))
    write(tmp_path / "b.png", size=(30, 20))
    folder = ImageFolder(tmp_path, size=size)
    assert folder.shape == (2, *size, 3)
    assert (folder[:] == [200, 100, 0]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (30, 20), (9, 6)])
def test_cameras_that_were_turned(orientation, size, tmp_path):
    """A photograph is upright whatever its EXIF data says, also where it is decoded at a smaller size."""
    upright = np.zeros((30, 20, 3), np.uint8)
    upright[:10, :10] = 255
    turns = [None, None, *(Image.Transpose[name] for name in _INVERSE)]
    image = Image.fromarray(np.kron(upright, np.ones((4, 4, 1), np.uint8)) if size else upright)
    image = image if turns[orientation] is None else image.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    found = ImageFolder(tmp_path, size=size)[0].astype(float)
    height, width = found.shape[:2]
    assert found.shape == (*(size or (30, 20)), 3)
    assert found[: height // 4, : width // 3].min() > 200
    assert max(found[height // 2 :].max(), found[:, 2 * width // 3 :].max()) < 60


_INVERSE = ["FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_90", "TRANSVERSE", "ROTATE_270"]
"""What was done to an upright image for the orientations from 2 to 8."""


def test_turned_tiff_files(tmp_path):
    """TIFF, which Pillow turns by itself, is turned once."""
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    image.save(tmp_path / "a.tif", tiffinfo={0x0112: 6}, compression="tiff_lzw")
    folder = ImageFolder(tmp_path, mode="L")
    assert_array_equal(folder[0], np.rot90(np.arange(6).reshape(2, 3), -1))


def test_what_is_transparent_is_white(tmp_path):
    """An alpha channel, also of grey and of palettes, is laid over white; hidden colours don't show."""
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    Image.fromarray(np.array([[[10, 255], [20, 0], [0, 128]]], np.uint8), "LA").save(tmp_path / "b.png")
    palette = Image.fromarray(np.array([[0, 1, 0]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "c.png", transparency=1)
    found = ImageFolder(tmp_path)[:]
    assert_array_equal(found[0, 0], [[255, 0, 0], [255, 255, 255], [127, 127, 127]])
    assert_array_equal(found[1, 0, :, 0], [10, 255, 127])
    assert_array_equal(found[2, 0], [[255, 0, 0], [255, 255, 255], [255, 0, 0]])


@pytest.mark.parametrize(("name", "mode"), [("a.png", "1"), ("a.png", "P"), ("a.gif", "P"), ("a.jpg", "CMYK")])
def test_other_kinds_of_colour(name, mode, tmp_path):
    """Black and white, palettes and colours for printing are read."""
    write(tmp_path / name, mode=mode, colour=(255, 255, 255))
    assert ImageFolder(tmp_path)[0].min() > 250
    assert ImageFolder(tmp_path, mode="L")[0].min() > 250


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint16, 16), (np.int32, 32), (np.float32, 32)])
def test_more_than_eight_bits_are_refused(dtype, bits, tmp_path):
    """Images with more than 8 bits for a grey level would lose most of them: an error that names the file."""
    Image.fromarray(np.ones((4, 6), dtype)).save(tmp_path / "deep.tif")
    with pytest.raises(ValueError, match=rf"deep\.tif', .*: it has {bits} bits for a grey level, but expected 8"):
        ImageFolder(tmp_path)


def test_colours_that_pillow_cannot_turn(tmp_path):
    """What Pillow can't bring to the mode that is wanted is an error that names the file."""
    Image.new("LAB", (6, 4)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"Got '.*a\.tif', which can't be read as an image: conversion from LAB"):
        ImageFolder(tmp_path, mode="L")[:]


def test_large_photographs_are_decoded_small(tmp_path):
    """What a large JPEG becomes is close to what it becomes of all its pixels."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    photograph = small.resize((1600, 1200), Image.Resampling.BICUBIC)
    photograph.save(tmp_path / "a.jpg", quality=95)
    expected = np.asarray(photograph.resize((64, 48), Image.Resampling.BICUBIC), float)
    found = ImageFolder(tmp_path, size=(48, 64))[0]
    assert np.abs(found - expected).mean() < 2
    assert ImageFolder(tmp_path, size=(48, 64), mode="L")[0].shape == (48, 64)


def test_photographs_are_decoded_at_twice_the_size_that_is_wanted(tmp_path):
    """A JPEG eight times too large is not decoded at an eighth, which loses detail."""
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    photograph = Image.fromarray(noise).resize((800, 600), Image.Resampling.BICUBIC)
    photograph.save(tmp_path / "a.jpg", quality=95)
    expected = np.asarray(photograph.resize((100, 75), Image.Resampling.BICUBIC), float)
    with Image.open(tmp_path / "a.jpg") as image:
        image.draft("RGB", (100, 75))
        coarse = np.asarray(image, float)
    found = ImageFolder(tmp_path, size=(75, 100))[0]
    assert np.abs(found - expected).mean() < 0.6 * np.abs(coarse - expected).mean()


@pytest.mark.parametrize("size", [0, -3, 2.5, (3,), (3, 0), (1, 2, 3), "large", (3, None)])
def test_sizes_that_are_none(size, tmp_path):
    """A size is a whole number, or two of them."""
    with pytest.raises(ValueError, match=r"Got size=.*, but expected None, an int of at least 1, or \(height, width\)"):
        ImageFolder(write(tmp_path / "a.png").parent, size=size)


def test_modes(tmp_path):
    """A mode that there isn't is an error."""
    with pytest.raises(ValueError, match="Got mode='grey', but expected 'RGB' or 'L'"):
        ImageFolder(tmp_path, mode="grey")


# ----------------------------------------------------------------------------------------------------------- broken files


def test_sizes_that_differ(tmp_path):
    """Without a size, images of different ones are an error that names both files, before anything is decoded."""
    write(tmp_path / "a.png")
    write(tmp_path / "b.png", size=(7, 4))
    message = r"different sizes, 4 x 6 in '.*a\.png' and 4 x 7 in '.*b\.png', but expected a size="
    with pytest.raises(ValueError, match=message):
        ImageFolder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"This is a text.", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_files_that_are_no_images(content, tmp_path):
    """An empty file, a text with the name of an image, and one cut in its first bytes are found at once."""
    write(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"Got '.*bad\.png', which can't be read as an image"):
        ImageFolder(tmp_path, size=4)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_files_stop_a_fit(suffix, tmp_path, streams):
    """A file that ends too early is an error with its name, in fit and in transform; the estimator is as it was."""
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(tmp_path / f"{number:02d}.{suffix}")
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
    """Do something to a file once an epoch is over."""

    def __init__(self, change):
        self.change = change

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        self.change()


def test_files_that_vanish_or_change_during_training(digits_folder, tmp_path, streams, monkeypatch):
    """A file that is deleted, or becomes larger, while a fit reads is an error with its name."""
    monkeypatch.setattr("skae._preparing.PREPARED_BYTES", 0)
    for number, image in enumerate(digits_folder[1]):
        Image.fromarray(image).save(tmp_path / f"{number:03d}.png")
    folder = ImageFolder(tmp_path, mode="L")
    larger = Change(lambda: Image.new("L", (9, 8)).save(tmp_path / "044.png"))
    with pytest.raises(
        ValueError, match=r"044\.png', which can't be read as an image: it has 8 x 9 pixels, but expected 8 x 8"
    ):
        conv(max_iter=5, net_params={"callbacks": [larger]}, early_stopping=False).fit(folder)
    Image.new("L", (8, 8)).save(tmp_path / "044.png")
    gone = Change((tmp_path / "044.png").unlink)
    with pytest.raises(ValueError, match=r"044\.png', which can't be read as an image: .*No such file"):
        conv(max_iter=5, net_params={"callbacks": [gone]}, early_stopping=False).fit(folder)


def test_without_pillow(tmp_path):
    """Where Pillow is missing, the error names the extra, and datasets can be imported all the same."""
    write(tmp_path / "a.png")
    code = "import sys; sys.modules['PIL'] = None; from skae.datasets import ImageFolder; ImageFolder(sys.argv[1])"
    found = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert "ImportError: ImageFolder needs Pillow, which is not installed: pip install skae[images]" in found.stderr
    assert "The above exception was the direct cause" in found.stderr


# ------------------------------------------------------------------------------------------------------- learning from them


def test_small_folders_are_fitted_as_arrays(digits_folder):
    """A folder that fits into memory gives what its array gives, to the bit."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    fitted = conv().fit(folder)
    assert fitted.image_shape_ == (8, 8)
    assert_array_equal(fitted.transform(folder), conv().fit(images).transform(images))


def test_folders_are_streamed(digits_folder, streams):
    """A folder that does not is streamed, and all methods give what they give for its array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    assert isinstance(_stored.stored(folder), _stored.Stored)
    fitted = conv(max_iter=5).fit(folder)
    assert_array_equal(fitted.transform(folder), fitted.transform(images))
    assert_array_equal(fitted.reconstruct(folder), fitted.reconstruct(images))
    assert_array_equal(fitted.reconstruction_error(folder), fitted.reconstruction_error(images))
    assert fitted.score(folder) == fitted.score(images)
    assert fitted.score(folder) > 0.3
    assert fitted.partial_fit(folder).n_iter_ == 6


def test_files_are_decoded_together(digits_folder):
    """Where rows are streamed, sixteen neighbouring files are read in one go."""
    assert _stored.Stored(ImageFolder(digits_folder[0], mode="L", size=600)).block == 16


def test_folders_are_pickled_without_images(digits_folder):
    """A pickled folder holds names, not pixels, and reads them where it is loaded."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L", size=200)
    assert len(pickle.dumps(folder)) < 200 * N
    assert_array_equal(pickle.loads(pickle.dumps(ImageFolder(root, mode="L")[[5, 3]]))[:], images[[5, 3]])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_splits_and_searches(n_jobs, digits_folder, streams):
    """train_test_split, cross-validation and a search take a folder, and its labels, and don't read what they only split."""
    root, images, labels = digits_folder
    folder = ImageFolder(root, mode="L")
    train, test, y_train, y_test = train_test_split(folder, folder.labels, stratify=folder.labels, random_state=0)
    assert isinstance(train, ImageFolder)
    assert_array_equal(y_test, test.labels)
    assert_array_equal(test[:], train_test_split(images, stratify=labels, random_state=0)[1])
    pipeline = Pipeline([("ae", conv(max_iter=5)), ("clf", SVC(C=10))])
    search = GridSearchCV(pipeline, {"ae__n_components": [1, 6]}, cv=2, n_jobs=n_jobs, error_score="raise").fit(train, y_train)
    assert search.best_params_ == {"ae__n_components": 6}
    assert search.score(test, y_test) > 0.5
    assert cross_val_predict(pipeline, folder, folder.labels, cv=2, n_jobs=n_jobs).shape == (N,)


def test_what_stands_on_autoencoders_takes_folders(digits_folder, closed_figures):
    """Detector, codec and display take a folder as they take an array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    detector = ReconstructionDetector(conv()).fit(folder)
    assert_array_equal(detector.score_samples(folder), detector.score_samples(images))
    codec = LatentCodec(conv()).fit(folder)
    assert codec.decompress(codec.compress(folder[:3])).shape == (3, 8, 8)
    display = ReconstructionDisplay.from_estimator(conv().fit(folder), folder, n_samples=2)
    assert_array_equal(display.originals, images[:2])


# ------------------------------------------------------------------------------------------------------- torch's datasets


class Pairs(Dataset):
    """Images with channels first, and labels, as torchvision's datasets give them."""

    def __init__(self, n=40, kind="tensor"):
        self.X = torch.randint(0, 255, (n, 3, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        self.kind = kind

    def __len__(self):
        return len(self.X)

    def __getitem__(self, number):
        x = self.X[number]
        if self.kind == "picture":
            return Image.fromarray(x.movedim(0, -1).numpy()), number % 2
        if self.kind == "dict":
            return {"image": x, "label": number % 2}
        return (x.bfloat16() if self.kind == "half" else x.numpy() if self.kind == "array" else x), number % 2


@pytest.mark.parametrize("kind", ["tensor", "array", "half", "dict", "picture"])
def test_datasets_of_torch(kind, streams):
    """Tensors, arrays and pictures, alone or beside labels, are learned from, in memory or streamed."""
    dataset = Pairs(kind=kind)
    X = from_torch(dataset, part="image" if kind == "dict" else 0)
    first = kind != "picture"
    expected = dataset.X.numpy() if first else np.moveaxis(dataset.X.numpy(), 1, -1)
    assert_allclose(X[:], expected, rtol=0.01 if kind == "half" else 0)
    assert X.dtype == (np.float32 if kind == "half" else np.uint8)
    assert "40 items of shape" in repr(X)
    fitted = conv(channel_axis=1 if first else -1).fit(X)
    assert_array_equal(fitted.transform(X), fitted.transform(X[:]))
    assert_array_equal(from_torch(dataset, part="label" if kind == "dict" else 1)[:], np.arange(40) % 2)


def test_parts_of_datasets(streams):
    """Subsets and joined datasets, and splits of them, are read in their own order."""
    dataset = Pairs()
    joined = from_torch(ConcatDataset([Subset(dataset, [5, 3]), Subset(dataset, [1])]))
    assert_array_equal(joined[:], dataset.X[[5, 3, 1]].numpy())
    train, test = train_test_split(from_torch(dataset), random_state=0)
    assert_array_equal(test[:], train_test_split(dataset.X.numpy(), random_state=0)[1])
    assert_array_equal(pickle.loads(pickle.dumps(train))[:3], train[:3])
    search = GridSearchCV(conv(channel_axis=1), {"max_iter": [1, 2]}, cv=2, n_jobs=2, error_score="raise").fit(train)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_tables_of_torch():
    """Rows of numbers go to a DenseAutoencoder."""
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    X = from_torch(TensorDataset(rows))
    fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    assert_array_equal(fitted.transform(X), fitted.transform(rows.numpy()))


class Stream(IterableDataset):
    """A dataset without numbers."""

    def __iter__(self):
        yield torch.zeros(3)


class Uneven(Dataset):
    """Items of which the third is another kind than the first."""

    def __init__(self, other):
        self.other = other

    def __len__(self):
        return 5

    def __getitem__(self, number):
        return self.other if number == 2 else torch.zeros(3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (Stream(), TypeError, r"type Stream, but expected one with len\(\) and numbered items"),
        (7, TypeError, "type int, but expected one with len"),
        (TensorDataset(torch.zeros(0, 3)), ValueError, "without items"),
        ([("text", 1)], TypeError, "item of type str, but expected a tensor"),
        (
            Uneven(torch.zeros(4, dtype=torch.uint8)),
            ValueError,
            r"item 2 of shape \(4,\) and dtype uint8, but expected \(3,\) and",
        ),
        (Uneven(torch.zeros(3)), ValueError, r"item 2 of shape \(3,\) and dtype float32, but expected \(3,\) and uint8"),
    ],
)
def test_unusable_datasets(dataset, error, message):
    """What has no numbered items, or items that are not alike, is an error that says which."""
    with pytest.raises(error, match=message):
        from_torch(dataset)[:]


def test_a_bare_dataset_is_told_the_way():
    """A dataset of torch, or a loader, given to fit as it is gets an error that names from_torch."""
    for X in (Pairs(), DataLoader(Pairs())):
        with pytest.raises(TypeError, match=rf"Got X as a {type(X).__name__} of torch, .* skae\.datasets\.from_torch"):
            conv(channel_axis=1).fit(X)


# --------------------------------------------------------------------------------------------------------------- IDX files


def idx(array, code=0x08):
    """Give an array as the content of an IDX file."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_four_files(dotted, compressed, tmp_path):
    """Images and labels of training and test are read, compressed or not, and can be written to."""
    rng = np.random.default_rng(0)
    expected = []
    for part, n in (("train", 7), ("t10k", 3)):
        for what, shape in (("images-idx3-ubyte", (n, 5, 4)), ("labels-idx1-ubyte", (n,))):
            expected.append(rng.integers(0, 255, shape, dtype=np.uint8))
            name = f"{part}-{what.replace('-idx', '.idx') if dotted else what}{'.gz' if compressed else ''}"
            content = idx(expected[-1])
            (tmp_path / name).write_bytes(gzip.compress(content) if compressed else content)
    found = load_idx(tmp_path)
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)
        assert one.dtype == np.uint8
        assert one.flags.writeable
    os.remove(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="without t10k-labels-idx1-ubyte"):
        load_idx(tmp_path)


@pytest.mark.parametrize(("dtype", "code"), [("i1", 9), ("i2", 11), ("i4", 12), ("f4", 13), ("f8", 14)])
def test_other_numbers(dtype, code, tmp_path):
    """All kinds of numbers of the format are read, in the byte order of this machine."""
    expected = np.arange(-3, 3).astype(dtype)
    (tmp_path / "one").write_bytes(idx(expected, code))
    found = load_idx(tmp_path / "one")
    assert found.dtype == expected.dtype
    assert_array_equal(found, expected)


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
    ids=["empty", "text", "head-cut", "cut", "too-long", "gzip-cut", "huge"],  # gzip's bytes hold the time
)
def test_broken_idx_files(content, message, tmp_path):
    """What is cut, too long or something else is an error that names the file, and allocates nothing."""
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(ValueError, match=rf"Got '.*broken'.*{message}"):
        load_idx(tmp_path / "broken")


class Named(Dataset):
    """Two items that are dicts."""

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return {"image": torch.zeros(3), "label": number}


@pytest.mark.parametrize(
    ("dataset", "part", "message"),
    [
        (Named(), 0, r"Got part=0, but the parts of an item are \['image', 'label'\]"),
        (Named(), "pixels", r"Got part='pixels', but the parts of an item are \['image', 'label'\]"),
        (TensorDataset(torch.zeros(2, 3)), 1, "Got part=1, but the parts of an item are those from 0 to 0"),
        (TensorDataset(torch.zeros(2, 3)), "image", "Got part='image', but the parts of an item are those from 0"),
    ],
)
def test_a_part_that_items_lack_says_so(dataset, part, message):
    """A part that the items don't have gives an error that names those that they have."""
    with pytest.raises(ValueError, match=message):
        from_torch(dataset, part=part)


@pytest.mark.parametrize("path", [None, 3])
def test_what_is_no_path_says_so(path):
    """Anything but a path or paths gives an error that says what a folder of images is made of."""
    with pytest.raises(TypeError, match=f"Got path={path}, but expected a folder of images"):
        ImageFolder(path)
