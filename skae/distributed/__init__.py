"""Several processes: the same fit on several GPUs, or on several machines.

Start the script with ``torchrun``, and call `start` at its top. Each process calls ``fit`` with the
same arguments, computes a part of each batch, and has the whole fitted autoencoder in the end. A
fit in N processes has the result of a fit in one process, up to rounding.
"""

from skae.distributed._context import alone, first
from skae.distributed._errors import Lost
from skae.distributed._launch import launch, start
from skae.distributed._shard import Shard

__all__ = ["Lost", "Shard", "alone", "first", "launch", "start"]
