"""Device selection, support for bfloat16, and independence of the caller's settings of torch."""

import functools
import os
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from typing import cast

import numpy as np
import torch

from skae._typing import Function
from skae._warnings import warn_user

__all__ = [
    "MIN_PARALLEL_MULTIPLICATIONS",
    "count_weights",
    "default_torch_state",
    "has_bfloat16",
    "has_memory_for",
    "is_bfloat16_faster",
    "one_thread",
    "resolve_device",
    "uses_default_torch_state",
]

MIN_BFLOAT16_SIZE = 256
"""Least layer width and batch size for bfloat16: smaller products are not faster than float32."""

MIN_PARALLEL_MULTIPLICATIONS = 2**27
"""Multiplications of a PCA or of a forward pass from which on several threads are used.

A forward and a backward pass then take more than 10 ms on one core, or some 0.2 ms an operation,
and threads wait for each other a few times an operation. The number of threads of smaller networks
does not depend on the machine, and neither do the bits of their weights.
"""

MAX_MEMORY_FRACTION = 0.6
"""Largest fraction of free GPU memory for X: a training step needs the rest."""


def is_bfloat16_faster(device, batch_size, config):
    """Return whether training is faster in bfloat16 than in float32.

    Parameters
    ----------
    device : torch.device
        Device of the network.
    batch_size : int
        Samples per step.
    config : NetworkConfig
        Configuration of the network.

    Returns
    -------
    is_faster : bool
        True for large matrix products on a device with bfloat16 instructions. Without these
        instructions a CPU emulates bfloat16, up to thirty times slower than float32.
    """
    widest = max([*config.encoder_sizes, *config.decoder_sizes, 1])
    if widest < MIN_BFLOAT16_SIZE or batch_size < MIN_BFLOAT16_SIZE:
        return False
    return has_bfloat16(device)


def has_bfloat16(device):
    """Return whether a device has instructions for matrix products in bfloat16."""
    if device.type == "cpu":
        # older versions of torch do not report the capabilities of a CPU
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def has_memory_for(device, X):
    """Return whether X fits into the memory of an accelerator, beside the needs of training."""
    if device.type != "cuda":
        return device.type != "cpu"
    return X.nbytes < MAX_MEMORY_FRACTION * torch.cuda.mem_get_info(device)[0]


def resolve_device(device, *, fall_back=False):
    """Return the torch device for a `device` parameter.

    Parameters
    ----------
    device : str
        "auto" (CUDA, then MPS, then CPU) or a device name of torch, such as "cuda:1".
    fall_back : bool, default=False
        Whether to replace a missing device by the CPU with a warning, as for a model that was
        fitted elsewhere. If False, a missing device is an error.

    Returns
    -------
    device : torch.device
        Device of this machine.

    Raises
    ------
    ValueError
        If the device is unknown or missing, and `fall_back` is False.
    """
    available = _available_devices()
    if device == "auto":
        return torch.device(_device_type(available[0]))
    names = {*available, *map(_device_type, available)}
    if device.removesuffix(":0") in names:
        return torch.device(device)
    problem = f"Got device={device!r}, but this machine has only {available}"
    if not fall_back:
        raise ValueError(f"{problem}. Set device='auto', or a device of this machine.")
    warn_user(f"{problem}: using the CPU.")
    return torch.device("cpu")


def _available_devices():
    """Return the names of all devices of this machine: CUDA, then MPS, then the CPU."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def _device_type(name):
    """Return the name of a device without its index."""
    return name.partition(":")[0]


class GlobalSetting:
    """A setting of torch for the whole process, replaced while a thread runs in a block.

    Parameters
    ----------
    get, set : callable
        Functions of torch that return and change the setting.
    value : object
        Value within blocks.
    """

    def __init__(self, get, set, value):
        self.get = get
        self.set = set
        self.value = value
        self.lock = threading.Lock()
        self.n_blocks = 0
        self.original = value

    def replace(self):
        """Replace the setting for a block of this thread."""
        with self.lock:
            if self.n_blocks == 0:
                self.original = self.get()
                if self.original != self.value:
                    self.set(self.value)
            self.n_blocks += 1

    def restore(self):
        """End a block of this thread; the last thread to leave restores the setting."""
        with self.lock:
            self.n_blocks -= 1
            if self.n_blocks == 0 and self.original != self.value:
                self.set(self.original)


DEFAULT_DTYPE = GlobalSetting(torch.get_default_dtype, torch.set_default_dtype, torch.float32)
MATMUL_PRECISION = GlobalSetting(
    torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"
)


class ThreadLimit:
    """Blocks in which torch uses one thread, in any thread of Python.

    torch has a number of threads for each thread of Python. A new thread starts with the number
    that any thread has set last, so that a thread that starts during a block of another one starts
    with 1. It gets the number from before all blocks when its own first block ends.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.local = threading.local()
        self.n_blocks = 0
        self.original = 1

    def replace(self):
        """Begin a block of this thread of Python."""
        with self.lock:
            n_threads = self._own_number()
            if self.n_blocks == 0:
                self.original = n_threads
            self.n_blocks += 1
            self._stack().append(n_threads)
            if torch.get_num_threads() != 1:
                torch.set_num_threads(1)

    def restore(self):
        """End a block of this thread of Python, and restore its number of threads."""
        with self.lock:
            self.n_blocks -= 1
            n_threads = self._stack().pop()
            if n_threads != torch.get_num_threads():
                torch.set_num_threads(n_threads)

    def correct(self):
        """Set the number of a thread of Python that started during a block of another one."""
        with self.lock:
            n_threads = self._own_number()
            if n_threads != torch.get_num_threads():
                torch.set_num_threads(n_threads)

    def after_fork(self):
        """Forget the blocks of threads that do not exist in this process."""
        self.lock = threading.Lock()
        self.n_blocks = len(self._stack())

    def _own_number(self):
        """Return the number of threads outside of the blocks of other threads of Python."""
        n_threads = torch.get_num_threads()
        if n_threads == 1 and self.n_blocks > 0 and not self._stack():
            return self.original
        return n_threads

    def _stack(self):
        """Return the numbers to restore in this thread of Python."""
        if not hasattr(self.local, "stack"):
            self.local.stack = []
        return self.local.stack


ONE_THREAD = ThreadLimit()


@contextmanager
def one_thread(enabled=True):
    """Use one thread of torch in a block.

    The threads of a product wait for each other by spinning. If other processes use the same cores,
    this wait is longer than a small product.

    Parameters
    ----------
    enabled : bool, default=True
        If False, the block uses the number of threads of the caller.
    """
    if not enabled:
        ONE_THREAD.correct()
        yield
        return
    ONE_THREAD.replace()
    try:
        yield
    finally:
        ONE_THREAD.restore()


_forked = threading.Event()


def _after_fork():
    """Record that this process is a fork, and replace locks that the parent may hold."""
    _forked.set()
    for setting in (DEFAULT_DTYPE, MATMUL_PRECISION):
        setting.lock = threading.Lock()
    ONE_THREAD.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def count_weights(network):
    """Return the number of weights. A forward pass multiplies each sample by all of them."""
    return sum(weight.numel() for weight in network.parameters())


@contextmanager
def default_torch_state():
    """Run a block as if the caller had not changed any setting of torch or NumPy.

    The settings are: default dtype, default device, gradients, inference mode, autocast, precision
    of matrix products, and NumPy's handling of floating-point errors. They are restored afterwards.
    A forked process uses one thread.
    """
    settings = [DEFAULT_DTYPE, MATMUL_PRECISION]
    if _forked.is_set():
        # the threads of the parent do not exist here, and torch would wait for them forever
        settings.append(ONE_THREAD)
    replaced = []
    try:
        for setting in settings:
            setting.replace()
            replaced.append(setting)
        with (
            _default_modes(),
            np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
        ):
            yield
    finally:
        for setting in reversed(replaced):
            setting.restore()


def _default_modes():
    """Return a context with the default device, with gradients, and without autocast."""
    autocast = [
        device_type
        for device_type in ("cpu", "cuda", "mps")
        if torch.is_autocast_enabled(device_type)
    ]
    # the device of a new tensor is found faster than by torch.get_default_device
    is_on_cpu = torch.empty(0).device.type == "cpu"
    has_gradients = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    if has_gradients and is_on_cpu and not autocast:
        return nullcontext()
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        for device_type in autocast:
            stack.enter_context(torch.autocast(device_type, enabled=False))
        if not is_on_cpu:
            stack.enter_context(torch.device("cpu"))
        return stack.pop_all()


def uses_default_torch_state(function: Function) -> Function:
    """Decorate a public function or method: it runs in `default_torch_state`."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with default_torch_state():
            return function(*args, **kwargs)

    return cast(Function, wrapper)
