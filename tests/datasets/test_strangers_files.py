"""Files of unknown origin: formats by a list, no pipes, no programs, and bounded memory."""

import gzip
import os
import tracemalloc

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from skae.datasets import ImageFolder, load_idx

posix = pytest.mark.skipif(os.name == "nt", reason="pipes and links of POSIX")


def header(*shape, code=0x08):
    """Return the header of an IDX file."""
    sizes = b"".join(n.to_bytes(4, "big") for n in shape)
    return bytes([0, 0, code, len(shape)]) + sizes


def traced_peak(function, *arguments, **keywords):
    """Return the largest memory that a call takes; the call must raise a ValueError."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="but expected"):
            function(*arguments, **keywords)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_an_error(tmp_path):
    """Zeros that follow a small array are not unpacked, nor those of a large array."""
    bomb = gzip.compress(header(10, 10) + bytes(100_000_000))
    (tmp_path / "bomb").write_bytes(bomb)
    assert traced_peak(load_idx, tmp_path / "bomb") < 10_000_000
    large = gzip.compress(header(100_000_000) + bytes(100_000_000))
    (tmp_path / "large").write_bytes(large)
    assert traced_peak(load_idx, tmp_path / "large", max_bytes=99_999_999) < 10_000_000


def test_a_large_header_takes_no_memory(tmp_path):
    """Memory is not taken for an array that the file does not have, compressed or not."""
    start = header(*[2**32 - 1] * 4) + bytes(10)
    (tmp_path / "raw").write_bytes(start)
    assert traced_peak(load_idx, tmp_path / "raw") < 10_000_000
    (tmp_path / "packed").write_bytes(gzip.compress(header(2**30) + bytes(1000)))
    assert traced_peak(load_idx, tmp_path / "packed") < 10_000_000
    (tmp_path / "dimensions").write_bytes(header(*[1] * 200) + bytes(1))
    with pytest.raises(ValueError, match="not in the IDX format"):
        load_idx(tmp_path / "dimensions")


def test_max_bytes_of_idx_files(tmp_path):
    """`max_bytes` is compared with the array; None is no maximum, and arrays are writable."""
    (tmp_path / "x").write_bytes(gzip.compress(header(3, 4) + bytes(range(12))))
    with pytest.raises(ValueError, match=r"an array of 12 bytes, but expected at most max_bytes=1"):
        load_idx(tmp_path / "x", max_bytes=11)
    for max_bytes in (12, None):
        array = load_idx(tmp_path / "x", max_bytes=max_bytes)
        np.testing.assert_array_equal(array, np.arange(12, dtype=np.uint8).reshape(3, 4))
        array[0] = 1


@posix
def test_pipes_and_devices_are_not_read(tmp_path):
    """A pipe is an error at once, as IDX file, as image, and by a link in a folder."""
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        with pytest.raises(ValueError, match="expected a regular file"):
            load_idx(path)
        with pytest.raises(ValueError, match="expected a regular file"):
            ImageFolder([path])
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.png").symlink_to(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"link\.png.*expected a regular file"):
        ImageFolder(folder)
    with pytest.raises(ValueError, match="without images"):
        ImageFolder(make_folder_with_pipe(tmp_path / "other"))


def make_folder_with_pipe(folder):
    """Return a folder that has a pipe only."""
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    return folder


@pytest.mark.parametrize("name", ["EPS", "ICNS", "PCX", "PDF", "SGI", "TGA"])
def test_other_formats_are_refused(tmp_path, monkeypatch, name):
    """A file in another format is an error whatever its suffix, and Ghostscript is not called."""

    def run_program(*arguments, **keywords):
        raise AssertionError("Ghostscript was called.")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run_program)
    Image.new("RGB", (16, 16)).save(tmp_path / "x.png", format=name)
    with pytest.raises(ValueError, match=r"x\.png', which can't be read as an image"):
        ImageFolder(tmp_path)


@pytest.mark.parametrize("name", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_listed_formats_are_read(tmp_path, name):
    """Each listed format is read, also with the suffix of another one."""
    Image.new("RGB", (8, 6), (255, 255, 255)).save(tmp_path / "x.png", format=name)
    assert ImageFolder(tmp_path)[0].shape == (6, 8, 3)


def test_photographs_of_several_frames_are_read(tmp_path):
    """JPEG files of cameras with several frames (MPO) are read."""
    frame = Image.new("RGB", (8, 6))
    frame.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[frame])
    assert ImageFolder(tmp_path)[0].shape == (6, 8, 3)
