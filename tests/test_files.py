"""Files are replaced at once or not at all, and only regular files are read."""

import errno
import os
import resource
import stat
import threading

import numpy as np
import pytest

from skae._files.container import pack_arrays, unpack_arrays
from skae._files.reading import check_format, open_regular_file, read_file
from skae._files.writing import write_atomically

posix = pytest.mark.skipif(os.name == "nt", reason="pipes, links and modes of POSIX")


def test_a_new_file_is_written(tmp_path):
    """A file is created with the permissions of the process, and nothing else stays."""
    write_atomically(tmp_path / "x", b"new")
    (tmp_path / "plain").write_bytes(b"new")
    assert read_file(tmp_path / "x") == b"new"
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["plain", "x"]


def test_a_relative_path_is_written(tmp_path, monkeypatch):
    """A name without a folder is a file of the current folder."""
    monkeypatch.chdir(tmp_path)
    write_atomically("x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_permissions_of_an_existing_file_stay(tmp_path, mode):
    """The new file has the permissions of the old one."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


@posix
def test_the_target_of_a_link_is_replaced(tmp_path):
    """A symbolic link stays a link, also if its target does not exist yet."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder / "x")
    for content in (b"first", b"second"):
        write_atomically(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (folder / "x").read_bytes() == content
    assert os.listdir(folder) == ["x"]


@posix
def test_other_targets_than_files_are_errors(tmp_path):
    """Folders, pipes, devices and cyclic links are not replaced by a file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(IsADirectoryError, match="expected the path of a file"):
        write_atomically(tmp_path, b"new")
    for path in (tmp_path / "pipe", tmp_path / "loop", "/dev/null"):
        with pytest.raises(ValueError, match="expected the path of a regular file"):
            write_atomically(path, b"new")
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "x", b"new")
    assert sorted(os.listdir(tmp_path)) == ["loop", "pipe"]


@posix
@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_write_protected_file_is_an_error(tmp_path):
    """A file without write permission is not replaced, although its folder permits it."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="write-protected"):
        write_atomically(path, b"new")


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_the_old_file_stays_after_an_error(tmp_path, monkeypatch, function):
    """After an error or an interrupt the old file is whole, and no temporary file stays."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()):

        def fail(*arguments, error=error):
            raise error

        monkeypatch.setattr(os, function, fail)
        with pytest.raises(type(error)):
            write_atomically(path, b"new")
        monkeypatch.undo()
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["x"]


@posix
def test_the_old_file_stays_beyond_the_limit_of_file_size(tmp_path):
    """A file beyond RLIMIT_FSIZE is an error; the old file stays, and no temporary file."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomically(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_reader_beside_a_writer_sees_whole_files(tmp_path):
    """Every read returns the complete content of one write."""
    path = tmp_path / "x"
    contents = [bytes([i]) * 300_000 for i in range(2)]
    write_atomically(path, contents[0])
    done = threading.Event()

    def write():
        for i in range(40):
            write_atomically(path, contents[i % 2])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    n_reads = 0
    while not done.is_set() or n_reads < 5:
        assert read_file(path) in contents
        n_reads += 1
    thread.join()


def test_two_writers_leave_one_whole_file(tmp_path):
    """Writers of one path do not share a temporary file."""
    path = tmp_path / "x"
    contents = [bytes([i]) * 100_000 for i in range(4)]
    threads = [threading.Thread(target=write_atomically, args=(path, one)) for one in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["x"]


@posix
def test_only_regular_files_are_read(tmp_path):
    """Pipes, sockets, devices and folders are errors at once, and a link to a file is read."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", "/dev/zero", "/dev/stdin"):
        with pytest.raises(ValueError, match="expected a regular file"):
            read_file(path)
    with pytest.raises(IsADirectoryError, match="expected a file"):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nowhere")
    (tmp_path / "x").write_bytes(b"content")
    (tmp_path / "good").symlink_to(tmp_path / "x")
    with open_regular_file(tmp_path / "good") as (file, size):
        assert (file.read(), size) == (b"content", 7)


def test_large_files_are_not_read(tmp_path):
    """A file beyond `max_bytes` is an error before it is read."""
    with (tmp_path / "x").open("wb") as file:
        file.truncate(10**12)  # no block of it is on the disk
    with pytest.raises(ValueError, match="of 1000000000000 bytes, but expected at most"):
        read_file(tmp_path / "x", 1000)


def test_formats_outside_of_the_range_are_errors():
    """A newer format names the release that wrote it; an older one names the way out."""
    check_format("x", 3, range(2, 5), "1.0")
    with pytest.raises(ValueError, match=r"format 5, written by skae 9.0, .* 2 to 4. Install a n"):
        check_format("x", 5, range(2, 5), "9.0")
    with pytest.raises(ValueError, match=r"format 1, .*earlier release .* save it again"):
        check_format("x", 1, range(2, 5), "0.1")
    for value in (True, "3", 3.0, None):
        with pytest.raises(ValueError, match="expected an int"):
            check_format("x", value, range(2, 5), "0.1")


def repack(header, data):
    """Return a container with another header."""
    return len(header).to_bytes(8, "little") + header + data


ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.int64)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"F32"', b'"BF16"', "dtype 'BF16'"),
        (b'"F32"', b'["F32"]', "dtype"),
        (b'"shape":[2,3]', b'"shape":[3,3]', "shape"),
        (b'"shape":[2,3]', b'"shape":[-2,-3]', "shape"),
        (b'"shape":[2,3]', b'"shape":[2.0,3]', "shape"),
        (b'"shape":[2,3]', b'"shape":[4611686018427387904,3]', "shape"),
        (b'"shape":[2,3]', b'"shape":[1,1,1,1,1,1,1,2,3]', "shape"),
        (b'"data_offsets":[0,16]', b'"data_offsets":[8,24]', "overlap|expected"),
        (b'"data_offsets":[0,16]', b'"data_offsets":[16,0]', "offsets"),
        (b'"data_offsets":[0,16]', b'"data_offsets":[0,16,32]', "offsets"),
        (b'"data_offsets":[16,40]', b'"data_offsets":[17,41]', "bytes between"),
        (b'"a":', b'"b":', "duplicate key"),
        (b'"__metadata__"', b'"metadata"', "metadata"),
        (b'"sha256"', b'"md5"', "metadata"),
        (b'"skae":"{}"', b'"skae":"[]"', "checksum"),
        (b'"skae":"{}"', b'"skae":{}', "metadata"),
        (b'"dtype":', b'"x":', "without dtype"),
        (b"{", b"[", "."),
    ],
)
def test_containers_with_another_header_are_value_errors(old, new, message):
    """Offsets, shapes, dtypes and keys are checked before safetensors reads the content."""
    content = pack_arrays("{}", ARRAYS)
    size = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + size].rstrip(), content[8 + size :]
    text, arrays = unpack_arrays(repack(header, data))
    assert text == "{}"
    assert all((arrays[name] == ARRAYS[name]).all() for name in ARRAYS)
    assert old in header
    with pytest.raises(ValueError, match=message):
        unpack_arrays(repack(header.replace(old, new, 1), data))


@pytest.mark.parametrize("size", [0, 2**63, 2**64 - 1, 10**6])
def test_containers_of_another_header_size_are_value_errors(size):
    """A header larger than the content is an error before memory is taken."""
    content = pack_arrays("{}", ARRAYS)
    with pytest.raises(ValueError, match=r"header|Expecting"):
        unpack_arrays(size.to_bytes(8, "little") + content[8:])


def test_too_many_values_are_not_saved():
    """`pack_arrays` writes no text that `unpack_arrays` refuses."""
    with pytest.raises(ValueError, match="expected at most"):
        pack_arrays("[" + "0," * 300_000 + "0]", {})
