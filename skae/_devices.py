"""Device selection, and support for bfloat16."""

import torch

from skae._warnings import warn_user

__all__ = ["has_bfloat16", "has_memory_for", "pays_in_bfloat16", "resolve_device"]

MIN_BFLOAT16_SIZE = 256
"""Least layer width and batch size for bfloat16: smaller products are not faster than float32."""

MAX_MEMORY_FRACTION = 0.6
"""Largest fraction of free GPU memory for X: a training step needs the rest."""


def pays_in_bfloat16(device, batch_size, config):
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
    pays : bool
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
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device(available[-1])
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        if not fall_back:
            raise ValueError(
                f"Got device={device!r}, but expected 'auto' or one of {available}."
            ) from error
    else:
        if _is_available(resolved, available):
            return resolved
    if not fall_back:
        raise ValueError(f"Got device={device!r}, but this machine has only {available}.")
    warn_user(f"Got device={device!r}, but this machine has only {available}: using the CPU.")
    return torch.device("cpu")


def _available_devices():
    """Return the names of all devices of this machine, the CPU first."""
    names = ["cpu"]
    if torch.backends.mps.is_available():
        names.append("mps")
    names += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return names


def _is_available(device, available):
    """Return whether a device is in a list of names, with or without its index."""
    if device.type == "cpu":
        return True
    return any(str(device) in (name, name.split(":")[0]) for name in available)
