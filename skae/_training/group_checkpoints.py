"""Checkpoints of a fit in several processes: the first one reads and writes all files."""

import contextlib
import json
import signal
from contextlib import contextmanager

from skae._files.container import pack_arrays, parse_json, unpack_arrays
from skae._training import checkpoints
from skae._training.checkpoint_values import pack_value, unpack_value
from skae._training.checkpoints import FitCheckpoints, NoCheckpoints
from skae._training.fit_digest import NotDigestible, digest_fit
from skae.distributed._context import active_group
from skae.distributed._shard import own_range

__all__ = ["GroupCheckpoints", "open_checkpoints"]


class GroupCheckpoints(FitCheckpoints):
    """Checkpoints of a fit in several processes.

    Parameters
    ----------
    folder : CheckpointFolder or None
        Locked; None in all processes but the first.
    group : skae.distributed.Group
        All processes.
    """

    def __init__(self, folder, group):
        super().__init__(folder)
        self.group = group

    def _last_state(self):
        """Return the state that the first process read."""
        state = None
        if self.group.is_first:
            state = super()._last_state()
        state = self._shared(state)
        if state is not None:
            self._check(state)
        return state

    def _shared(self, content):
        """Return the content that the first process read: plain values and tensors."""
        packed = None
        if self.group.is_first:
            arrays = {}
            text = json.dumps(pack_value(content, "", arrays), allow_nan=False)
            packed = pack_arrays(text, arrays)
        text, arrays = unpack_arrays(self.group.share_bytes(packed))
        return unpack_value(parse_json(text), arrays)

    def _must_write(self, min_seconds):
        """Return whether to write; SIGTERM ends a process after all of them know about it."""
        if self.group.wants_checkpoint:
            self.group.wants_checkpoint = self.group.is_terminated = False
            return True
        if self.group.is_terminated and not self.group.is_first:
            return False
        return super()._must_write(min_seconds)

    def _write(self, **kwargs):
        """Write in the first process."""
        if self.group.is_first:
            super()._write(**kwargs)

    def _notice(self, number, frame):
        """Notice SIGTERM and Ctrl-C; the first process then writes a checkpoint."""
        self.group.is_terminated = number == signal.SIGTERM
        super()._notice(number, frame)

    def read_result(self):
        """Return path and content of the result that the first process read."""
        path, content = "", None
        if self.group.is_first:
            path, content = super().read_result()
        return path, self._shared(content)

    def write_result(self, content):
        """Write the result in the first process."""
        if self.group.is_first:
            super().write_result(content)


@contextmanager
def open_checkpoints(estimator, seed, data, start):
    """Open the checkpoints of a fit within a block, in all processes if there are several.

    Parameters
    ----------
    estimator, seed, data, start
        As in `skae._training.checkpoints.open_checkpoints`.

    Yields
    ------
    checkpoints : NoCheckpoints
        The same kind in all processes.
    """
    group = active_group()
    if group is None:
        with checkpoints.open_checkpoints(estimator, seed, data, start) as opened:
            yield opened
        return
    folder = None
    has_digest = estimator.checkpoint_dir is not None and estimator.random_state is not None
    has_digest = group.share_json(has_digest)
    if group.is_first:
        folder = checkpoints.locked_folder(estimator, seed, data, start)
    elif has_digest:
        _take_part_in_digest(estimator, seed, data, start)
    try:
        if group.share_json(folder is not None):
            yield GroupCheckpoints(folder, group)
        else:
            yield NoCheckpoints()
    finally:
        if folder is not None:
            folder.unlock()


def _take_part_in_digest(estimator, seed, data, start):
    """Read shards that the first process digests."""
    content = data()
    if own_range(content.get("X")) is not None:
        with contextlib.suppress(NotDigestible):
            digest_fit(estimator, seed, content, start())
