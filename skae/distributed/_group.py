"""The processes of a fit: sums, shared bytes, and agreement about errors and interruptions.

After a sum all processes hold the same bits, so that decisions need no message: each process makes
the same ones. All processes therefore call the same methods in the same order.
"""

import contextlib
import json
import os
import signal
import threading
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from skae._warnings import silent_warnings
from skae.distributed._errors import Lost, OtherProcessError

__all__ = ["Group"]

MESSAGE_BYTES = 1024
"""Bytes of the text of an error that the other processes show."""


class Group:
    """The processes of a process group.

    Parameters
    ----------
    world : torch.distributed.ProcessGroup
        The default process group.
    timeout : float
        Longest time in seconds for which a process waits for the others.
    name : str
        Name of the call that needs the group.

    Attributes
    ----------
    rank, size : int
        Number of this process, and of all processes.
    is_first : bool
        Whether this process shows progress and writes files.
    is_interrupted, is_terminated : bool
        Whether this process got Ctrl-C, or SIGTERM, which ends it after a checkpoint.
    wants_checkpoint : bool
        Whether any process got SIGTERM.
    epoch : int
        The number of epochs of the present fit, for messages.
    announce : callable
        Function that tells the others about an error of this process.
    """

    def __init__(self, world, timeout, name):
        self.world = world
        self.timeout = timeout
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.is_first = self.rank == 0
        self.is_interrupted = self.is_terminated = self.wants_checkpoint = False
        self.epoch = 0
        self.announce = self._announce_error
        self._has_nccl = "nccl" in str(dist.get_backend_config(world))
        with self.raising_lost(name):
            # messages of the user's own collectives never mix with those of a fit
            self.control = dist.new_group(backend="gloo", timeout=timedelta(seconds=timeout))

    # ------------------------------------------------------------------------------ life of a fit

    @contextmanager
    def fitting(self, name):
        """Wait for all processes, and agree about errors and Ctrl-C until the end of the block."""
        with self.raising_lost(name):
            dist.monitored_barrier(
                self.control, timeout=timedelta(seconds=self.timeout), wait_all_ranks=True
            )
        self.epoch = 0
        self.is_interrupted = self.is_terminated = self.wants_checkpoint = False
        self.announce = self._announce_error
        try:
            with self._deferred_interrupts(), silent_warnings(not self.is_first):
                yield
                self.check()
        except (Lost, OtherProcessError):
            raise
        except BaseException as error:
            self._tell_others(error)
            raise

    def _tell_others(self, error):
        """Announce an error to the others, unless all processes raised it together."""
        if getattr(error, "is_agreed", False):
            return
        with contextlib.suppress(Lost):  # nobody is left to be told
            self.announce(error)

    def _announce_error(self, error):
        """Announce an error in the next check of the others."""
        self.sum(torch.tensor([*self.flags(has_failed=True), 0.0]))
        self.gather_messages(error)

    @contextmanager
    def announcing(self, announce):
        """Announce errors to the others by another function within a block."""
        earlier, self.announce = self.announce, announce
        try:
            yield
        except BaseException as error:
            if not getattr(error, "is_agreed", False):
                raise  # `announce` is still needed
            self.announce = earlier
            raise
        self.announce = earlier

    def check(self, stop=False):
        """Raise an error that another process raised, or agree about Ctrl-C.

        Parameters
        ----------
        stop : bool, default=False
            Whether this process wants to stop.

        Returns
        -------
        stop : bool
            Whether any process wants to stop.

        Raises
        ------
        KeyboardInterrupt
            In all processes, after Ctrl-C in one of them.
        """
        flags = self.sum(torch.tensor([*self.flags(), float(stop)])).tolist()
        self.read_flags(flags)
        return flags[-1] > 0

    def flags(self, has_failed=False):
        """Return the flags of this process: errors, interruptions, wishes for a checkpoint."""
        return [float(has_failed), float(self.is_interrupted), float(self.is_terminated)]

    def read_flags(self, flags):
        """Raise the error that summed flags stand for, or note the wish for a checkpoint."""
        n_errors, n_interruptions, n_terminations = flags[:3]
        if n_errors > 0:
            self._raise_error_of_another()
        self.wants_checkpoint = n_terminations > 0
        if n_interruptions > 0:
            self.is_interrupted = False
            interrupt = KeyboardInterrupt()
            interrupt.is_agreed = True
            raise interrupt

    def gather_messages(self, error=None):
        """Return the message of each process, empty without an error."""
        text = ""
        if error is not None:
            text = f"{type(error).__name__}: {error}"
        return self.gather_texts(text)

    def _raise_error_of_another(self):
        """Raise an error that names the first process with an error."""
        messages = self.gather_messages()
        rank, message = next((i, one) for i, one in enumerate(messages) if one)
        raise OtherProcessError(f"The fit ended, because process {rank} raised {message}")

    @contextmanager
    def _deferred_interrupts(self):
        """Note Ctrl-C within the block; a second Ctrl-C ends the process.

        An interrupted process would leave the others in the middle of a sum.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        earlier = signal.getsignal(signal.SIGINT)
        if earlier in (None, signal.SIG_IGN):
            yield
            return

        def notice(number, frame):
            if self.is_interrupted:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            self.is_interrupted = True

        signal.signal(signal.SIGINT, notice)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, earlier)

    # ------------------------------------------------------------------------------ messages

    @contextmanager
    def raising_lost(self, name=None):
        """Raise `Lost` in place of the errors of the backend within a block."""
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, (Lost, OtherProcessError)):
                raise
            if name is not None:
                text = (
                    f"Not all of the {self.size} processes called {name} within "
                    f"{self.timeout:g} seconds, or one of them ended. Each process has to call it "
                    "with the same arguments. Call it in a block of skae.distributed.alone() to "
                    "fit in one process, or set another timeout in skae.distributed.start()."
                )
            else:
                text = (
                    f"Lost a process in epoch {self.epoch + 1}: it ended, or did not answer within "
                    f"{self.timeout:g} seconds. With checkpoint_dir, the same command continues "
                    "the fit from the last checkpoint, also with another number of processes."
                )
            raise Lost(f"{text} The backend reports: {error}") from error

    def sum(self, tensor):
        """Replace a contiguous tensor by the sum over all processes, which is equal in all bits."""
        group = self.control
        if tensor.device.type == "cuda" and self._has_nccl:
            group = self.world
        with self.raising_lost():
            dist.all_reduce(tensor, group=group)
        return tensor

    def checked_sum(self, tensor):
        """Replace a contiguous tensor by its sum, unless another process has raised an error."""
        self.check()
        return self.sum(tensor)

    def share(self, tensors):
        """Replace contiguous tensors by those of the first process."""
        self.check()
        for tensor in tensors:
            content = tensor.detach().cpu().contiguous()
            self._broadcast(content)
            tensor.detach().copy_(content)

    def _broadcast(self, tensor):
        """Replace a contiguous tensor on the CPU, of any dtype, by that of the first process."""
        if tensor.numel() > 0:
            with self.raising_lost():
                dist.broadcast(tensor.view(-1).view(torch.uint8), 0, group=self.control)

    def share_bytes(self, content):
        """Return the bytes of the first process.

        Parameters
        ----------
        content : bytes or None
            Ignored in the other processes.
        """
        size = torch.zeros(1, dtype=torch.int64)
        if self.is_first:
            size[0] = len(content)
        self.share([size])
        values = torch.zeros(int(size), dtype=torch.uint8)
        if self.is_first and content:
            values = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        self._broadcast(values)
        return values.numpy().tobytes()

    def share_json(self, value):
        """Return a JSON value of the first process."""
        content = None
        if self.is_first:
            content = json.dumps(value).encode()
        return json.loads(self.share_bytes(content))

    def gather_values(self, value):
        """Return the JSON value of each process, unless one has raised an error."""
        text = json.dumps(value)
        sizes = torch.zeros(self.size, dtype=torch.int64)
        sizes[self.rank] = len(text.encode())
        self.checked_sum(sizes)
        return [json.loads(one) for one in self.gather_texts(text, int(sizes.max()))]

    def gather_texts(self, text, n_bytes=MESSAGE_BYTES):
        """Return one text of at most `n_bytes` bytes for each process."""
        content = text.encode()[:n_bytes]
        values = torch.zeros(self.size, n_bytes, dtype=torch.uint8)
        if content:
            values[self.rank, : len(content)] = torch.frombuffer(
                bytearray(content), dtype=torch.uint8
            )
        self.sum(values)
        return [row.numpy().tobytes().rstrip(b"\0").decode(errors="replace") for row in values]
