"""Checkpoints: what a fit leaves in `checkpoint_dir`, and how it is resumed."""

import os
import pickle
import signal
import stat
import sys
import threading
import types
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

import skae
from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer
from skae._input import batching, streaming
from skae._training import checkpoint_files, checkpoints, fit, setup
from skae._training.fit_digest import Digest, NotDigestible, digest_fit
from skae._training.net import AutoencoderNet
from skae.bottlenecks import Ordered, Variational
from skae.networks.bottlenecks import BottleneckModule


@pytest.fixture
def rows():
    """Return 200 samples near a curved surface."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=(200, 2))
    return np.tanh(t @ rng.normal(size=(2, 6))) + 0.05 * rng.normal(size=(200, 6))


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Write checkpoints after each epoch, and look for a lock only once."""
    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "MAX_WRITES", 1e9)
    monkeypatch.setattr(checkpoints, "LOCK_SECONDS", 0)
    monkeypatch.setattr(fit, "MIN_PASS_SECONDS", 0.0)


class Killed(BaseException):
    """The end of a process."""


@contextmanager
def train_steps(replace):
    """Replace the training step of all nets, by a function of the present step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoencoderNet, "train_step", replace(AutoencoderNet.train_step))
        yield


@contextmanager
def killed_after(n):
    """Let the training within the block end after some steps, as if it were killed."""
    left = [n]

    def replace(step):
        def train_step(net, batch):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return step(net, batch)

        return train_step

    with train_steps(replace), pytest.raises(Killed):
        yield


def count_steps(function):
    """Return the number of training steps that a function runs."""
    count = [0]

    def replace(step):
        def train_step(net, batch):
            count[0] += 1
            return step(net, batch)

        return train_step

    with train_steps(replace):
        function()
    return count[0]


def assert_same(fitted, expected, X):
    """Assert that two estimators are equal to the bit."""
    weights = expected.net_.module_.state_dict()
    for name, weight in fitted.net_.module_.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    for name, value in vars(expected).items():
        if name == "history_":
            value, history = dict(value), dict(fitted.history_)
            assert len(history.pop("seconds")) == len(value.pop("seconds"))  # which differ
            np.testing.assert_equal(history, value)
        elif name.endswith("_") and name != "net_":
            np.testing.assert_equal(getattr(fitted, name), value)
    np.testing.assert_array_equal(fitted.transform(X), expected.transform(X))


def checkpoint_files_of(folder):
    """Return the names of all checkpoints in a folder."""
    return sorted(path.name for path in Path(folder).glob("*/*.safetensors"))


# -------------------------------------------------------------------------------- the same result


def make_dense(**parameters):
    """Return a small autoencoder of tables."""
    return DenseAutoencoder(**{"n_components": 2, "max_iter": 6, "random_state": 0} | parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"bottleneck": "variational"},
        {"solver": "sgd", "early_stopping": False},
        {"n_components": 0.8, "bottleneck": "ordered"},
        {"max_iter": 12, "batch_size": 6},  # two cycles of the learning rate
    ],
    ids=str,
)
def test_a_killed_fit_is_resumed(parameters, rows, tmp_path):
    """The result equals that of an uninterrupted fit, and finished epochs are not trained again."""
    expected = make_dense(**parameters).fit(rows)
    total = count_steps(lambda: make_dense(**parameters).fit(rows))
    with killed_after(total - 1):
        make_dense(**parameters, checkpoint_dir=tmp_path).fit(rows)
    assert 1 <= len(checkpoint_files_of(tmp_path)) <= 2
    fitted = make_dense(**parameters, checkpoint_dir=tmp_path)
    assert count_steps(lambda: fitted.fit(rows)) <= total / expected.n_iter_
    assert_same(fitted, expected, rows)
    assert checkpoint_files_of(tmp_path) == ["result.safetensors"]


def test_a_streamed_epoch_is_resumed_between_two_batches(rows, monkeypatch, tmp_path):
    """Batches that were trained on are skipped, although noise is drawn between the batches."""
    monkeypatch.setattr(checkpoints, "MIN_SECONDS_WITHIN_EPOCH", 0.0)
    monkeypatch.setattr(streaming, "STREAMED_BYTES", 0)
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 500)
    monkeypatch.setattr(batching, "BUFFER_BYTES", 2000)
    monkeypatch.setattr(setup, "MAX_PREPARED_BYTES", 0)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    parameters = {"bottleneck": "variational", "batch_size": 16, "max_iter": 2}
    expected = make_dense(**parameters).fit(mapped)
    fitted = make_dense(**parameters, checkpoint_dir=tmp_path / "fits")
    for _ in range(2):
        with killed_after(9):
            fitted.fit(mapped)
    assert count_steps(lambda: fitted.fit(mapped)) == 2 * 12 - 2 * 9
    assert_same(fitted, expected, rows)


def test_images_with_validation_set_and_corruption_are_resumed(tmp_path):
    """The same holds for images with `X_val` and corruption."""
    X = load_digits().images[:150]

    def make(folder):
        return ConvAutoencoder(
            3,
            n_filters=8,
            corruption="gaussian",
            batch_size=50,
            max_iter=3,
            random_state=0,
            checkpoint_dir=folder,
        )

    expected = make(None).fit(X[:100], X_val=X[100:])
    with killed_after(3):
        make(tmp_path).fit(X[:100], X_val=X[100:])
    assert_same(make(tmp_path).fit(X[:100], X_val=X[100:]), expected, X)


def test_a_restorer_is_resumed(tmp_path):
    """The restorer has checkpoints as well, and its finished fit trains no step."""
    X = load_digits().images[:40]

    def make(folder):
        return ImageRestorer(
            n_filters=4, batch_size=16, max_iter=3, random_state=0, checkpoint_dir=folder
        )

    expected = make(None).fit(X)
    with killed_after(7):
        make(tmp_path).fit(X)
    fitted = make(tmp_path).fit(X)
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X))
    assert fitted.loss_curve_ == expected.loss_curve_
    again = make(tmp_path)
    assert count_steps(lambda: again.fit(X)) == 0
    np.testing.assert_array_equal(again.predict(X), expected.predict(X))


def test_calls_of_partial_fit_are_restored(rows, monkeypatch, tmp_path):
    """Each call finds its state by its data and by the state before; the optimizer goes on."""

    def train(folder, n):
        model = make_dense(checkpoint_dir=folder)
        for i in range(n):
            model.partial_fit(rows[100 * (i % 2) :][:100])
        return model

    expected = train(None, 5)
    train(tmp_path, 3)
    fitted = []
    steps = count_steps(lambda: fitted.append(train(tmp_path, 5)))
    assert steps == 2
    assert_same(fitted[0], expected, rows)


def test_short_calls_of_partial_fit_write_nothing(rows, monkeypatch, tmp_path):
    """Calls of less than a second are repeated rather than stored."""
    monkeypatch.setattr(fit, "MIN_PASS_SECONDS", 1000.0)
    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 1000.0)
    make_dense(checkpoint_dir=tmp_path).partial_fit(rows)
    assert checkpoint_files_of(tmp_path) == []


# -------------------------------------------------------------------------------- finished fits


def test_a_finished_fit_returns_without_training(rows, monkeypatch, tmp_path):
    """The second call neither computes PCA nor trains, warns again, and gives the same result."""
    first = make_dense(checkpoint_dir=tmp_path)
    with pytest.warns(UserWarning, match="max_iter=6") as warned:
        first.fit(rows)

    def forbidden(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(fit, "set_up_fit", forbidden)
    second = make_dense(checkpoint_dir=tmp_path, verbose=1, device="cpu")
    with pytest.warns(UserWarning, match="max_iter=6") as warned_again:
        second.fit(rows)
    assert [str(one.message) for one in warned_again] == [str(one.message) for one in warned]
    assert_same(second, first, rows)
    assert list(second.net_.history) == list(first.net_.history)


def test_a_finished_fit_can_be_continued(rows, tmp_path):
    """After a finished fit was read, `warm_start` gives the same as after training."""
    expected = make_dense(warm_start=True).fit(rows).set_params(max_iter=8).fit(rows)
    for _ in range(2):
        fitted = make_dense(warm_start=True, checkpoint_dir=tmp_path).fit(rows)
        fitted.set_params(max_iter=8).fit(rows)
        assert_same(fitted, expected, rows)


def change_X(arguments):
    arguments["X"][7, 3] += 1e-12


def change_dtype(arguments):
    arguments["X"] = arguments["X"].astype(np.float32)


def change_weight(arguments):
    arguments["sample_weight"][5] += 1e-6


def change_X_val(arguments):
    arguments["X_val"][1, 1] = 0


def change_parameter(arguments):
    arguments["parameters"]["max_iter"] = 5


def change_seed(arguments):
    arguments["parameters"]["random_state"] = 1


@pytest.mark.parametrize(
    "change",
    [change_X, change_dtype, change_weight, change_X_val, change_parameter, change_seed],
)
def test_any_change_starts_a_new_fit(change, rows, tmp_path):
    """One changed number of X, weights or `X_val`, or a parameter, makes another fit."""
    arguments = {
        "X": rows.copy(),
        "sample_weight": np.ones(200),
        "X_val": rows[:50].copy(),
        "parameters": {},
    }

    def run():
        data = {name: value for name, value in arguments.items() if name != "parameters"}
        make_dense(**arguments["parameters"], checkpoint_dir=tmp_path).fit(**data)

    run()
    run()
    assert len(os.listdir(tmp_path)) == 1
    change(arguments)
    run()
    assert len(os.listdir(tmp_path)) == 2


def test_targets_are_part_of_a_fit(rows, tmp_path):
    """One changed target makes another fit."""
    y = np.arange(200) % 2
    make_dense(target_weight=1.0, checkpoint_dir=tmp_path).fit(rows, y)
    y[3] = 1 - y[3]
    make_dense(target_weight=1.0, checkpoint_dir=tmp_path).fit(rows, y)
    assert len(os.listdir(tmp_path)) == 2


def test_a_random_state_counts_by_its_state(rows, tmp_path):
    """Two fits with one RandomState are two fits, in each process the same two."""
    results = []
    for _ in range(2):
        random_state = np.random.RandomState(0)
        for _ in range(2):
            model = make_dense(random_state=random_state, checkpoint_dir=tmp_path).fit(rows)
            results.append(model.transform(rows))
    assert len(os.listdir(tmp_path)) == 2
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[3])
    assert not np.array_equal(results[0], results[1])


def test_without_seed_a_warning_says_that_nothing_is_written(rows, tmp_path):
    """`random_state=None` can't be resumed."""
    with pytest.warns(UserWarning, match="random_state=None.*can't be resumed"):
        make_dense(random_state=None, checkpoint_dir=tmp_path).fit(rows)
    assert not os.listdir(tmp_path)


# -------------------------------------------------------------------------------- digests


def own_loss(x_hat, x):
    """Return the squared error."""
    return (x_hat - x).square().flatten(1).mean(1)


def test_a_function_without_a_name_is_not_resumed(rows, tmp_path):
    """A lambda gives a warning; a function of a module is resumed."""
    with pytest.warns(UserWarning, match="no checkpoints.*loss=<function.*<lambda>"):
        make_dense(loss=lambda a, b: own_loss(a, b), checkpoint_dir=tmp_path).fit(rows)
    assert not os.listdir(tmp_path)
    make_dense(loss=own_loss, checkpoint_dir=tmp_path).fit(rows)
    assert len(os.listdir(tmp_path)) == 1


def digest_of(value):
    """Return the digest of a value."""
    digest = Digest()
    digest.add(value)
    return digest.hexdigest()


def test_a_function_counts_by_its_code():
    """A function with another body is another function."""
    digests = set()
    for body in ("x + 1", "x + 2", "x - 1"):
        namespace = {"__name__": "module"}
        exec(f"def f(x):\n    return {body}", namespace)
        digests.add(digest_of(namespace["f"]))
    assert len(digests) == 3


def test_a_word_is_the_object_that_it_stands_for(rows):
    """`bottleneck="variational"` and `Variational()` are one fit."""

    def digest(bottleneck):
        return digest_fit(make_dense(bottleneck=bottleneck), 0, {"X": rows}, None)

    assert digest("variational") == digest(Variational())
    assert digest("variational") != digest(Variational(weight=0.2))
    assert digest("variational") != digest("quantized")


def test_values_that_another_process_does_not_know():
    """Open files, locks, generators and cyclic lists have no digest."""
    cyclic = []
    cyclic.append(cyclic)
    with open(__file__) as file:
        for value in (file, threading.Lock(), iter(lambda: 0, 1), cyclic, lambda: 0):
            with pytest.raises(NotDigestible):
                digest_of(value)


def test_all_bytes_count_and_the_order_in_memory_does_not():
    """Arrays count by dtype, shape and values."""
    X = np.arange(12.0).reshape(3, 4)
    assert digest_of(X) == digest_of(np.asfortranarray(X)) == digest_of(X.copy())
    others = [X.astype(np.float32), X.reshape(4, 3), X + 1e-15, torch.from_numpy(X)]
    assert len({digest_of(X), *map(digest_of, others)}) == 5


class Learned(Ordered):
    """A bottleneck with a module whose weights come from elsewhere."""

    start = [0.0]

    def make_module(self, n_components, n_hidden):
        module = Shifted()
        module.shift.data.fill_(self.start[0])
        return module


class Shifted(BottleneckModule):
    """A module with one weight."""

    def __init__(self):
        super().__init__()
        self.shift = torch.nn.Parameter(torch.zeros(()))


def test_initial_weights_of_users_modules_count(rows, monkeypatch, tmp_path):
    """A module that starts with other weights makes another fit."""
    make_dense(bottleneck=Learned(), checkpoint_dir=tmp_path).fit(rows)
    make_dense(bottleneck=Learned(), checkpoint_dir=tmp_path).fit(rows)
    assert len(os.listdir(tmp_path)) == 1
    monkeypatch.setattr(Learned, "start", [1.0])
    make_dense(bottleneck=Learned(), checkpoint_dir=tmp_path).fit(rows)
    assert len(os.listdir(tmp_path)) == 2


# -------------------------------------------------------------------------------- files


def killed_fit(rows, folder):
    """Leave two states, and return the estimator that wrote them."""
    model = make_dense(early_stopping=False, checkpoint_dir=folder)
    with killed_after(9):
        model.fit(rows)
    states = sorted(Path(folder).glob("*/state-*.safetensors"))
    assert len(states) == 2
    return model, states


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "link", "folder", "foreign"])
def test_a_damaged_state_is_skipped(damage, rows, tmp_path):
    """A warning names the file, and the fit is resumed at the state before."""
    expected = make_dense(early_stopping=False).fit(rows)
    model, (_, last) = killed_fit(rows, tmp_path)
    content = bytearray(last.read_bytes())
    last.unlink()
    if damage == "truncated":
        last.write_bytes(content[:-100])
    elif damage == "flipped":
        content[-5] ^= 1
        last.write_bytes(content)
    elif damage == "empty":
        last.touch()
    elif damage == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        last.symlink_to(tmp_path / "elsewhere")
    elif damage == "folder":
        last.mkdir()
    else:
        last.write_text("a foreign text")
    with pytest.warns(UserWarning, match=f"{last.name} is skipped"):
        model.fit(rows)
    assert_same(model, expected, rows)


def test_states_of_other_fits_are_refused(rows, tmp_path):
    """A state in the folder of another fit is skipped, as are both if none can be read."""
    expected = make_dense(early_stopping=False).fit(rows + 1)
    _, states = killed_fit(rows, tmp_path)
    other = make_dense(early_stopping=False, checkpoint_dir=tmp_path)
    with killed_after(9):
        other.fit(rows + 1)
    for path in tmp_path.glob("*/state-*.safetensors"):
        if path.parent != states[0].parent:
            path.write_bytes((states[0].parent / path.name).read_bytes())
    with pytest.warns(UserWarning, match="checkpoint of another fit"):
        other.fit(rows + 1)
    assert_same(other, expected, rows)


def test_a_folder_that_cannot_be_written_is_an_error_before_training(rows, monkeypatch, tmp_path):
    """The error names the parameter, and nothing is trained."""
    (tmp_path / "file").touch()
    model = make_dense(checkpoint_dir=tmp_path / "file" / "folder")
    monkeypatch.setattr(fit, "set_up_fit", None)
    with pytest.raises(OSError, match=r"checkpoint_dir=.*can be created and written"):
        model.fit(rows)
    assert not hasattr(model, "net_")


def test_a_link_in_place_of_a_fit_is_refused(rows, tmp_path):
    """The folder of a fit is no symbolic link, so that nothing is written elsewhere."""
    make_dense(checkpoint_dir=tmp_path / "fits").fit(rows)
    (folder,) = (tmp_path / "fits").iterdir()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError, match="is a link or a file"):
        make_dense(checkpoint_dir=tmp_path / "fits").fit(rows)


def test_a_full_disk_does_not_end_the_training(rows, monkeypatch, tmp_path):
    """One warning says that checkpoints can't be written."""

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "write_atomically", full)
    with pytest.warns(UserWarning, match="No space left") as warned:
        fitted = make_dense(early_stopping=False, checkpoint_dir=tmp_path).fit(rows)
    assert sum("No space" in str(one.message) for one in warned) == 1
    assert_same(fitted, make_dense(early_stopping=False).fit(rows), rows)


def test_a_programming_error_in_a_write_is_not_hidden(rows, monkeypatch, tmp_path):
    """A TypeError that is none of a value of the user ends the fit."""

    def wrong(path, content):
        raise TypeError("unsupported operand")

    monkeypatch.setattr(checkpoint_files, "write_atomically", wrong)
    with pytest.raises(TypeError, match="unsupported operand"):
        make_dense(early_stopping=False, checkpoint_dir=tmp_path).fit(rows)


class Keeper(Callback):
    """A callback with a state."""

    value = None

    def state_dict(self):
        """Return the value."""
        return {"value": self.value}

    def load_state_dict(self, state):
        """Do nothing."""


@pytest.mark.parametrize(
    "value", [object(), {1.5: 1}, torch.ones(2).bfloat16(), torch.eye(2).to_sparse(), 1j]
)
def test_a_state_of_a_callback_that_no_file_holds_is_a_warning(rows, monkeypatch, tmp_path, value):
    """The warning names the value, and the fit continues."""
    monkeypatch.setattr(Keeper, "value", value)
    model = make_dense(
        early_stopping=False, checkpoint_dir=tmp_path, net_params={"callbacks": [Keeper()]}
    )
    message = r"can't be written: .*callbacks.*value|writes no checkpoints: .*callbacks"
    with pytest.warns(UserWarning, match=message):
        model.fit(rows)
    assert hasattr(model, "net_")


def test_files_have_the_permissions_of_others(rows, tmp_path):
    """Folders and files follow the umask."""
    before = os.umask(0o027)
    try:
        make_dense(checkpoint_dir=tmp_path / "new" / "fits").fit(rows)
    finally:
        os.umask(before)
    (folder,) = (tmp_path / "new" / "fits").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / "result.safetensors").stat().st_mode) == 0o640


def test_checkpoints_are_seldom_written(rows, monkeypatch, tmp_path):
    """A fit of less than half a minute writes its result only."""
    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 30.0)
    written = []
    monkeypatch.setattr(
        checkpoint_files.CheckpointFolder, "write_state", lambda self, content: written.append(1)
    )
    make_dense(checkpoint_dir=tmp_path).fit(rows)
    assert written == []


def test_the_time_between_checkpoints_is_a_hundred_times_that_of_a_write(monkeypatch):
    """Slow disks are written to less often."""
    monkeypatch.setattr(checkpoints, "MAX_WRITES", 0.01)
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    saved = checkpoints.FitCheckpoints(None)
    saved._write_seconds = 2.0
    now[0] = 199.0
    assert not saved._is_due(30.0)
    now[0] = 200.0
    assert saved._is_due(30.0)
    saved._write_seconds = 0.1
    now[0] = 29.0
    assert not saved._is_due(30.0)


# -------------------------------------------------------------------------------- clear_checkpoints


def test_clear_checkpoints_removes_fits_and_nothing_else(rows, tmp_path):
    """Foreign files and folders stay, also within the folder of a fit."""
    for seed in range(2):
        make_dense(random_state=seed, checkpoint_dir=tmp_path).fit(rows)
    first = sorted(tmp_path.iterdir())[0]
    (first / "notes.txt").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder").mkdir()
    assert skae.clear_checkpoints(tmp_path, older_than=1) == 0
    assert skae.clear_checkpoints(tmp_path, older_than=timedelta(days=1)) == 0
    assert skae.clear_checkpoints(tmp_path) == 2
    assert checkpoint_files_of(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "folder", first.name}
    assert (first / "notes.txt").exists()


def test_clear_checkpoints_by_age(rows, tmp_path):
    """Fits are removed by the age of their last checkpoint."""
    make_dense(checkpoint_dir=tmp_path).fit(rows)
    (path,) = tmp_path.glob("*/result.safetensors")
    os.utime(path, (0, 0))
    make_dense(random_state=1, checkpoint_dir=tmp_path).fit(rows)
    assert skae.clear_checkpoints(tmp_path, older_than=30) == 1
    assert not path.exists()
    assert len(checkpoint_files_of(tmp_path)) == 1


# -------------------------------------------------------------------------------- locks and signals


def test_a_second_fit_runs_alone_while_the_first_runs(rows, tmp_path):
    """The same fit in a callback finds the lock, warns, and has the same result."""
    inner = make_dense(checkpoint_dir=tmp_path, early_stopping=False)
    outer = clone(inner)

    done = []

    def replace(step):
        def train_step(net, batch):
            if not done:
                done.append(skae.clear_checkpoints(tmp_path))
                with pytest.warns(UserWarning, match="Another process"):
                    inner.fit(rows)
            return step(net, batch)

        return train_step

    with train_steps(replace):
        outer.fit(rows)
    assert done == [0]
    assert_same(inner, outer, rows)


def test_a_second_fit_waits_for_the_first(rows, monkeypatch, tmp_path):
    """A fit that gets the lock in time returns the result of the other."""
    monkeypatch.setattr(checkpoints, "LOCK_SECONDS", 60)
    fitted = [make_dense(checkpoint_dir=tmp_path, early_stopping=False) for _ in range(2)]
    threads = [threading.Thread(target=model.fit, args=(rows,)) for model in fitted]

    def run():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert count_steps(run) == 6 * 2
    assert_same(fitted[0], fitted[1], rows)


def signal_after(n, number):
    """Return a function that replaces the training step: one step sends a signal to the process."""
    left = [n]

    def replace(step):
        def train_step(net, batch):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), number)
            return step(net, batch)

        return train_step

    return replace


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_write_a_last_checkpoint(rows, monkeypatch, tmp_path, number):
    """The previous handler is called after the step, and restored; the fit is resumed there."""
    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 1000.0)
    parameters = {"early_stopping": False, "batch_size": 50}
    expected = make_dense(**parameters).fit(rows)
    model = make_dense(**parameters, checkpoint_dir=tmp_path)

    def stop(number, frame):
        raise Killed

    before = signal.signal(number, stop)
    try:
        with train_steps(signal_after(10, number)), pytest.raises(Killed):
            model.fit(rows)
        assert signal.getsignal(number) is stop
        assert checkpoint_files_of(tmp_path) == ["state-00000001.safetensors"]
    finally:
        signal.signal(number, before)
    assert count_steps(lambda: model.fit(rows)) == 24 - 10
    assert_same(model, expected, rows)


def test_a_fit_is_resumed_after_ctrl_c(rows, monkeypatch, tmp_path):
    """Ctrl-C ends the fit with the weights so far, and the same call resumes it."""
    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 1000.0)
    parameters = {"early_stopping": False, "batch_size": 50}
    expected = make_dense(**parameters).fit(rows)
    model = make_dense(**parameters, checkpoint_dir=tmp_path)
    # a process in the background of a shell ignores the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            train_steps(signal_after(10, signal.SIGINT)),
            pytest.warns(UserWarning, match="interrupted"),
        ):
            model.fit(rows)
    finally:
        signal.signal(signal.SIGINT, before)
    assert np.isfinite(model.transform(rows)).all()
    assert count_steps(lambda: model.fit(rows)) == 24 - 10
    assert_same(model, expected, rows)


@pytest.mark.parametrize("is_raising", [True, False])
def test_a_second_signal_is_not_delayed(rows, tmp_path, is_raising):
    """Two signals within one step call both previous handlers at once."""
    calls, calls_in_step = [], []

    def handle(number, frame):
        calls.append(number)
        if is_raising:
            raise Killed

    def replace(step):
        def train_step(net, batch):
            if not calls:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
                calls_in_step.extend(calls)
            return step(net, batch)

        return train_step

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with train_steps(replace):
            model = make_dense(checkpoint_dir=tmp_path)
            if is_raising:
                with pytest.raises(Killed):
                    model.fit(rows)
            else:
                model.fit(rows)
                assert calls_in_step == [signal.SIGINT, signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert calls == [signal.SIGINT, signal.SIGTERM]


# -------------------------------------------------------------------------------- other places


def test_a_search_skips_fits_that_are_done(rows, monkeypatch, tmp_path):
    """Parallel fits have folders of their own, and a second search trains nothing."""
    search = GridSearchCV(
        make_dense(checkpoint_dir=tmp_path), {"n_components": [1, 2]}, cv=2, refit=False
    )
    search.fit(rows)
    assert len(os.listdir(tmp_path)) == 4
    again = clone(search)
    assert count_steps(lambda: again.fit(rows)) == 0
    np.testing.assert_array_equal(
        again.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )


def test_checkpoint_dir_is_an_ordinary_parameter(rows, tmp_path):
    """clone, get_params, repr and pickle keep the path, and a pickle holds no checkpoint."""
    model = make_dense(checkpoint_dir=str(tmp_path))
    assert clone(model).get_params()["checkpoint_dir"] == str(tmp_path)
    assert "checkpoint_dir" in repr(model)
    with_folder = pickle.dumps(model.fit(rows))
    without = pickle.dumps(make_dense().fit(rows))
    assert abs(len(with_folder) - len(without)) < 200
    assert pickle.loads(with_folder).checkpoint_dir == str(tmp_path)
    with pytest.raises(ValueError, match="checkpoint_dir"):
        make_dense(checkpoint_dir=3).fit(rows)


class Forgetful(Callback):
    """A callback that counts epochs."""

    def on_train_begin(self, net, **kwargs):
        self.n_ = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_ += 1
        net.history.record("n", self.n_)


class Counting(Forgetful):
    """The same with a state."""

    def state_dict(self):
        return {"n": self.n_}

    def load_state_dict(self, state):
        self.n_ = state["n"]


@pytest.mark.parametrize("with_state", [True, False])
def test_callbacks_with_a_state_are_restored(with_state, rows, tmp_path):
    """Others begin anew, with a warning that names them."""
    callback = Counting() if with_state else Forgetful()
    model = make_dense(net_params={"callbacks": [("count", callback)]}, checkpoint_dir=tmp_path)
    with killed_after(7):
        model.fit(rows)
    if with_state:
        model.fit(rows)
    else:
        with pytest.warns(UserWarning, match="callbacks count begin anew"):
            model.fit(rows)
    assert (model.net_.history[-1]["n"] == 6) == with_state


@pytest.mark.parametrize(
    "change",
    [
        {"n_epochs": -1},
        {"n_epochs": 2.0},
        {"more": 1},
        {"monitor": None},
        {"generator": torch.zeros(5056, dtype=torch.uint8)},
        {"generator": torch.zeros(10, dtype=torch.uint8)},
        {"epoch": {"position": {}}},
        {"net.n_steps": -1},
        {"net.groups": [{"params": 3}]},
        {"net.optimizer": {99: {}}},
        {"net.optimizer": {0: {"exp_avg": torch.tensor(np.nan)}}},
        {"net.weights": {}},
        {"net.history": [3]},
        {"monitor.losses": [1.0, 2.0, 3.0]},
        {"monitor.initial": {}},
    ],
    ids=str,
)
def test_values_that_do_not_suit_the_fit_are_refused(change, rows, tmp_path):
    """Fields, types, shapes and bounds are checked before anything is loaded."""
    model = make_dense(early_stopping=False, checkpoint_dir=tmp_path)
    expected = make_dense(early_stopping=False).fit(rows)
    with killed_after(9):
        model.fit(rows)
    folder = checkpoint_files.CheckpointFolder(tmp_path, next(tmp_path.iterdir()).name)
    ((_, state), *_) = folder.read_states()
    ((name, value),) = change.items()
    place = state
    *path, last = name.split(".")
    for part in path:
        place = place[part]
    place[last] = value
    for _ in range(2):
        folder.write_state(state)
    with pytest.warns(UserWarning, match="is skipped, because it can't be read"):
        model.fit(rows)
    assert_same(model, expected, rows)


def test_another_initial_network_is_not_resumed(rows, tmp_path):
    """If the fit can't be set up as before, it is trained from the start."""
    model = make_dense(checkpoint_dir=tmp_path)
    with killed_after(9):
        model.fit(rows)
    folder = checkpoint_files.CheckpointFolder(tmp_path, next(tmp_path.iterdir()).name)
    ((_, state), *_) = folder.read_states()
    for weight in state["monitor"]["initial"]["weights"].values():
        weight *= -1
    for _ in range(2):
        folder.write_state(state)
    with pytest.warns(UserWarning, match="another initial network"):
        model.fit(rows)
    assert_same(model, make_dense().fit(rows), rows)


USERS_MODULE = """
import torch
from skae.bottlenecks import Bottleneck, BottleneckModule

SHIFT = {shift}


class Sign(BottleneckModule):
    def quantize(self, z):
        return torch.where(z >= 0, {level}, -{level})

    def forward(self, z, hidden, generator):
        return z + (self.quantize(z) - z).detach() + SHIFT, None


class Binary(Bottleneck):
    table = ({table}, 1.0)

    def make_module(self, n_components, n_hidden):
        return Sign()
"""


@pytest.mark.parametrize("change", [{"shift": 0.5}, {"level": 3.0}, {"table": 2.0}])
def test_changed_code_and_constants_of_users_start_a_new_fit(rows, monkeypatch, tmp_path, change):
    """A constant of a module, the code of a torch module, and a tuple of a class are in the digest."""
    first = {"shift": 0.0, "level": 1.0, "table": 1.0}
    for values in (first, first, {**first, **change}):
        module = types.ModuleType("users_module")
        monkeypatch.setitem(sys.modules, "users_module", module)
        exec(USERS_MODULE.format(**values), vars(module))
        DenseAutoencoder(
            2, max_iter=1, random_state=0, bottleneck=module.Binary(), checkpoint_dir=tmp_path
        ).fit(rows)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
