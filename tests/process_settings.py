"""Settings of the process that no call may change."""

import os
import random
import signal

import numpy as np
import torch
import torch._dynamo  # sets an environment variable; the first optimizer of a process imports it

__all__ = ["process_settings"]


def process_settings():
    """Return the settings of NumPy, torch and Python that no call may change."""
    numpy_state = np.random.get_state()  # noqa: NPY002 the global one
    return (
        numpy_state[1].tobytes(),
        numpy_state[2:],
        torch.get_rng_state().numpy().tobytes(),
        hash(random.getstate()),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        str(torch.get_default_device()),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        torch.backends.mkldnn.enabled,
        tuple(np.geterr().items()),
        tuple(np.get_printoptions().items()).__repr__(),
        signal.getsignal(signal.SIGTERM),
        signal.getsignal(signal.SIGINT),
        hash(tuple(sorted(os.environ.items()))),
    )
