"""Checkpoints of a training: writing the state at intervals, and restoring it.

The fit is set up again exactly as without a checkpoint, since all randomness has one seed. Then the
state is loaded into net, early stopping and generator.
"""

import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict

import torch

from skae._input.batching import EpochPosition
from skae._training.checkpoint_files import LOCK_SECONDS, CheckpointFolder, warn_broken
from skae._training.checkpoint_values import NotSerializableError, check_fields
from skae._training.fit_digest import NotDigestible, digest_fit
from skae._training.net_state import apply_net_state, check_net_state, net_state
from skae._warnings import warn_user

__all__ = ["FitCheckpoints", "NoCheckpoints", "locked_folder", "open_checkpoints"]

MIN_SECONDS = 30.0
"""Shortest time between two checkpoints, which are written at the end of an epoch."""

MIN_SECONDS_WITHIN_EPOCH = 600.0
"""Shortest time between two checkpoints within an epoch."""

MAX_WRITES = 0.01
"""Largest share of the time that is spent on writing checkpoints."""

STATE_FIELDS = {
    "n_epochs": int,
    "is_finished": bool,
    "generator": torch.Tensor,
    "net": dict,
    "monitor": (dict, type(None)),
    "dataset": dict,
    "epoch": (dict, type(None)),
}
EPOCH_FIELDS = {"position": dict, "total_loss": torch.Tensor, "total_weight": torch.Tensor}
POSITION_FIELDS = {
    "n_batches": int,
    "start": torch.Tensor,
    "present": torch.Tensor,
    "buffer": int,
    "buffer_state": torch.Tensor,
}


class NoCheckpoints:
    """Checkpoints of a fit without `checkpoint_dir`: nothing is read or written."""

    def load(self, net, generator, monitor=None, dataset=None):
        """Return the number of epochs that are already trained."""
        return 0

    @contextmanager
    def recording(self, net):
        """Write checkpoints within the block; the block gets the number of trained epochs."""
        yield 0

    def begin_epoch(self, batches, total_loss, total_weight):
        """Note the batches and the sums of an epoch, and restore those of a resumed epoch."""

    def after_step(self):
        """Write a checkpoint within an epoch if it is time to do so."""

    def after_epoch(self):
        """Write a checkpoint after an epoch if it is time to do so."""

    def finish(self, min_seconds=0.0):
        """Write the state of a finished training."""

    def read_result(self):
        """Return path and content of the result of the fit, if it is finished."""
        return None, None

    def write_result(self, content):
        """Write the result of the finished fit."""


class FitCheckpoints(NoCheckpoints):
    """Checkpoints of one fit.

    Parameters
    ----------
    folder : CheckpointFolder
        Locked.
    """

    def __init__(self, folder):
        self.folder = folder
        self.n_epochs = 0
        self._state = None
        self._was_finished = False
        self._batches = self._sums = None
        self._write_seconds = 0.0
        self._can_write = True
        self._began = self._last_write = time.monotonic()
        self._signal = None

    # ------------------------------------------------------------------------------ restoring

    def load(self, net, generator, monitor=None, dataset=None):
        """Read the last state that can be used; `recording` restores it.

        Parameters
        ----------
        net : AutoencoderNet
            Initialized, and not yet trained.
        generator : torch.Generator
            The generator of the fit.
        monitor : EarlyStopping or None
            Its state is restored at once.
        dataset : object, default=None
            Training data with a ``state_dict``, if it has a state.

        Returns
        -------
        n_epochs : int
            Number of epochs that are already trained.
        """
        self.net, self.generator, self.monitor, self.dataset = net, generator, monitor, dataset
        state = self._last_state()
        if state is not None:
            self._state = state
            self.n_epochs, self._was_finished = state["n_epochs"], state["is_finished"]
            if monitor is not None:
                monitor.load_state_dict(state["monitor"])
            if dataset is not None:
                dataset.load_state_dict(state["dataset"])
        return self.n_epochs

    def _last_state(self):
        """Return the last state that suits this fit, or None."""
        for path, state in self.folder.read_states():
            try:
                self._check(state)
            except (ValueError, RuntimeError) as error:  # the latter for generators, from torch
                warn_broken(path, error)
                continue
            return state
        return None

    def _check(self, state):
        """Raise a ValueError if a state does not suit this fit."""
        check_fields(state, STATE_FIELDS, "a state")
        check_net_state(state["net"], self.net)
        if state["n_epochs"] < 0:
            raise ValueError("Got a negative number of epochs.")
        generators = [state["generator"]]
        if (self.monitor is None) != (state["monitor"] is None):
            raise ValueError("Got the state of another kind of fit.")
        if self.monitor is not None:
            self.monitor.check_state_dict(state["monitor"])
        if state["epoch"] is not None:
            check_fields(state["epoch"], EPOCH_FIELDS, "an epoch")
            check_fields(state["epoch"]["position"], POSITION_FIELDS, "a position")
            position = EpochPosition(**state["epoch"]["position"])
            if position.n_batches < 0 or position.buffer < 0:
                raise ValueError("Got a negative position.")
            generators += [position.start, position.present, position.buffer_state]
        expected = self.generator.get_state()
        for generator in generators:
            if generator.shape != expected.shape or generator.dtype != expected.dtype:
                raise ValueError("Got the state of another random number generator.")
            torch.Generator().set_state(generator)

    def _restore(self, net):
        """Load a state into net and generator."""
        state = self._state
        apply_net_state(state["net"], net)
        self.generator.set_state(state["generator"])

    # ------------------------------------------------------------------------------ recording

    @contextmanager
    def recording(self, net):
        """Restore the state that was loaded, and write checkpoints within the block."""
        if self._state is not None:
            self._restore(net)
        self._last_write = time.monotonic()
        n_done = self.n_epochs
        if self._was_finished:
            n_done = net.max_epochs
        with self._noticing_signals():
            yield n_done

    def begin_epoch(self, batches, total_loss, total_weight):
        """Note the batches and the sums of an epoch, and restore those of a resumed epoch."""
        self._batches, self._sums = batches, (total_loss, total_weight)
        state, self._state = self._state, None
        if state is not None and state["epoch"] is not None:
            batches.resume_at(EpochPosition(**state["epoch"]["position"]))
            total_loss.copy_(state["epoch"]["total_loss"])
            total_weight.copy_(state["epoch"]["total_weight"])

    def after_step(self):
        """Write a checkpoint within an epoch if it is time to do so."""
        if self._must_write(MIN_SECONDS_WITHIN_EPOCH):
            self._write(within_epoch=True)
            self._pass_signal_on()

    def after_epoch(self):
        """Write a checkpoint after an epoch if it is time to do so."""
        self.n_epochs += 1
        if self._must_write(MIN_SECONDS):
            self._write()
            self._pass_signal_on()

    def finish(self, min_seconds=0.0):
        """Write the state of a finished training, if the fit took at least `min_seconds`."""
        if not self._was_finished and time.monotonic() - self._began >= min_seconds:
            self._write(is_finished=True)

    def _must_write(self, min_seconds):
        """Return whether a signal was noticed, or it is time to write."""
        return self._signal is not None or self._is_due(min_seconds)

    def _is_due(self, min_seconds):
        interval = max(min_seconds, self._write_seconds / MAX_WRITES)
        return time.monotonic() - self._last_write >= interval

    def _write(self, *, within_epoch=False, is_finished=False):
        """Write the state; a full disk does not end the training."""
        start = time.monotonic()
        state = {
            "n_epochs": self.n_epochs,
            "is_finished": is_finished,
            "generator": self.generator.get_state(),
            "net": net_state(self.net, within_epoch=within_epoch),
            "monitor": None,
            "dataset": {},
            "epoch": None,
        }
        if self.monitor is not None:
            state["monitor"] = self.monitor.state_dict()
        if self.dataset is not None:
            state["dataset"] = self.dataset.state_dict()
        if within_epoch:
            total_loss, total_weight = self._sums
            position = asdict(self._batches.position)
            state["epoch"] = {
                "position": position,
                "total_loss": total_loss,
                "total_weight": total_weight,
            }
        self._save(self.folder.write_state, state)
        self._last_write = time.monotonic()
        self._write_seconds = self._last_write - start

    def _save(self, write, content):
        """Write a file; warn once if the disk or a value of the user is the cause."""
        try:
            write(content)
        except (OSError, NotSerializableError) as error:
            if self._can_write:
                warn_user(f"The checkpoint can't be written: {error}. The fit continues.")
            self._can_write = False

    # ------------------------------------------------------------------------------ signals

    @contextmanager
    def _noticing_signals(self):
        """Notice SIGTERM and Ctrl-C within the block, so that the next step writes a checkpoint.

        Only the main thread can do so. A second signal is not delayed.
        """
        self._previous = {}
        try:
            if threading.current_thread() is threading.main_thread():
                self._replace_handlers()
            yield
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)
            self._pass_signal_on()

    def _replace_handlers(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            if handler not in (None, signal.SIG_IGN):
                self._previous[number] = handler
                signal.signal(number, self._notice)

    def _notice(self, number, frame):
        if self._signal is None:
            self._signal = (number, frame)
            return
        try:
            self._pass_signal_on()
        finally:
            self._call_handler(number, frame)

    def _pass_signal_on(self):
        """Call the previous handler of a noticed signal."""
        if self._signal is not None:
            noticed, self._signal = self._signal, None
            self._call_handler(*noticed)

    def _call_handler(self, number, frame):
        """Call the previous handler of a signal; the default of SIGTERM ends the process."""
        handler = self._previous[number]
        if callable(handler):
            handler(number, frame)
            return
        signal.signal(number, handler)
        os.kill(os.getpid(), number)

    # ------------------------------------------------------------------------------ results

    def read_result(self):
        """Return path and content of the result of the fit, if it is finished."""
        return self.folder.read_result()

    def write_result(self, content):
        """Write the result of the finished fit."""
        self._save(self.folder.write_result, content)


@contextmanager
def open_checkpoints(estimator, seed, data, start):
    """Open the checkpoints of a fit within a block.

    Parameters
    ----------
    estimator : estimator
        With valid parameters.
    seed : int
        Seed of the fit.
    data : callable
        Function without arguments that returns the data of `digest_fit`.
    start : callable
        Function without arguments that returns the state that the training begins with.

    Yields
    ------
    checkpoints : NoCheckpoints
        They do nothing if `checkpoint_dir` is None, or if the fit can't be resumed. In the latter
        case there is a warning.
    """
    folder = locked_folder(estimator, seed, data, start)
    if folder is None:
        yield NoCheckpoints()
        return
    try:
        yield FitCheckpoints(folder)
    finally:
        folder.unlock()


def locked_folder(estimator, seed, data, start):
    """Return the locked folder of a fit, or None if it has no checkpoints."""
    checkpoint_dir = estimator.checkpoint_dir
    if checkpoint_dir is None:
        return None
    _check_safetensors()
    if estimator.random_state is None:
        warn_user(
            f"Got checkpoint_dir={os.fspath(checkpoint_dir)!r} with random_state=None: the fit "
            "can't be resumed, because its random numbers can't be repeated. Set random_state to "
            "an int."
        )
        return None
    try:
        digest = digest_fit(estimator, seed, data(), start())
    except NotDigestible as error:
        warn_user(
            f"The fit can't be resumed, and writes no checkpoints: another process could not "
            f"recognize the parameter {error}."
        )
        return None
    folder = CheckpointFolder(checkpoint_dir, digest)
    if folder.lock(LOCK_SECONDS):
        return folder
    warn_user(
        f"Another process has run the same fit for more than {LOCK_SECONDS} seconds. This fit runs "
        f"without checkpoints; those of the other are in {folder.path}."
    )
    return None


def _check_safetensors():
    """Raise an ImportError if safetensors is missing."""
    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise ImportError("checkpoint_dir requires safetensors: pip install skae[safe].") from error
