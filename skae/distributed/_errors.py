"""Errors of several processes."""

__all__ = ["Lost", "OtherProcessError"]


class Lost(RuntimeError):
    """A process of a distributed fit ended, or did not answer in time.

    The others raise this error. With `checkpoint_dir`, the same command continues the fit, also
    with another number of processes; ``torchrun --max-restarts`` starts it by itself.
    """


class OtherProcessError(RuntimeError):
    """Another process raised an error, about which all processes know."""
