"""CUDA graphs: a training step is recorded, and then launched as one operation.

A step of a small network consists of about a hundred short kernels, and the CPU needs more time to
launch them than the GPU needs to run them.
"""

import torch

from skae._training.checkpoints import NoCheckpoints
from skae._training.processes import NoProcesses
from skae._warnings import warn_user

__all__ = ["CudaGraph", "StepRecorder"]

USE_CUDA_GRAPHS = True
"""Whether steps are recorded. `benchmarks/gpu.py` measures the gain."""

MIN_STEPS = 50
"""Fewest steps of a training that is recorded, since recording takes as long as several steps."""

N_EAGER_STEPS = 3
"""Steps before the recording: libraries allocate memory and select kernels in the first ones."""

MAX_NUMBERS = 2**22
"""Largest batch, in numbers, of a step that is recorded. Kernels of larger batches take longer than
their launch, and a recorded step keeps its memory until the end of the training."""


free_streams: dict[torch.device, list] = {}
"""Streams that no training uses, by device.

Matrix products allocate a workspace for each stream, which PyTorch keeps until the end of the
process. With one stream for each training, this memory would grow.
"""


class CudaGraph:
    """A function without arguments that is recorded, and reads and writes the same memory again.

    Parameters
    ----------
    device : torch.device
        A CUDA device.
    """

    def __init__(self, device):
        self.device = device
        streams = free_streams.setdefault(device, [])
        # trainings in several threads must not share a stream
        self.stream = streams.pop() if streams else torch.cuda.Stream(device)
        self.graph = torch.cuda.CUDAGraph()
        self.result = None

    def warm_up(self, function):
        """Run the function on the stream of the recording, and return its result."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function()
        current.wait_stream(self.stream)
        return result

    def record(self, function):
        """Record the function, without running it."""
        # other threads may use the device at the same time
        recording = torch.cuda.graph(
            self.graph, stream=self.stream, capture_error_mode="thread_local"
        )
        with torch.cuda.device(self.device), recording:
            self.result = function()

    def replay(self):
        """Run the recorded function; its result is in the same memory each time."""
        self.graph.replay()
        return self.result

    def release(self):
        """Free the memory of the recording, and return the stream for later recordings."""
        self.graph.reset()
        self.result = None
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        free_streams[self.device].append(self.stream)


GRAPHS = {"cuda": CudaGraph}
"""The classes of graphs by type of device."""


class StepRecorder:
    """Steps of one training: the first ones as they are, later ones recorded where possible.

    A step can be recorded if it has the same operations for all batches of one shape, draws no
    random numbers, and does not wait for the device. It is recorded for the shape of the first
    batch. Batches of other shapes, such as the last of an epoch, are processed as usual.
    """

    def __init__(self):
        self.n_steps = 0
        self.graph = self.layout = None
        self.batch = None
        self.is_recording = self.has_failed = False

    def run(self, net, batch):
        """Update the weights of a net once.

        Parameters
        ----------
        net : AutoencoderNet
            In training.
        batch : skae._input.batching.Batch
            The samples.

        Returns
        -------
        step : dict
            Loss and reconstructions. A recorded step overwrites those of the step before.
        """
        if self.has_failed or not is_recordable(net, batch):
            return net.update_weights(batch)
        if self.graph is None:
            self._begin(net, batch)
        if self.n_steps < N_EAGER_STEPS:
            self.n_steps += 1
            return self.graph.warm_up(lambda: net.update_weights(batch))
        if _layout(batch) != self.layout:
            return net.update_weights(batch)
        if self.batch is None:
            self._record(net, batch)
            if self.has_failed:
                return net.update_weights(batch)
        else:
            for recorded, values in zip(self.batch, batch, strict=True):
                if recorded is not None:
                    recorded.copy_(values)
        return self.graph.replay()

    def _begin(self, net, batch):
        """Create a graph, and move the learning rates to the device, from which it reads them."""
        device = batch.X.device
        self.layout = _layout(batch)
        self.graph = GRAPHS[device.type](device)
        for group in net.optimizer_.param_groups:
            group["capturable"] = device.type == "cuda"
            if net.sets_learning_rate_:
                group["lr"] = torch.tensor(group["lr"], dtype=torch.float32, device=device)

    def _record(self, net, batch):
        """Record the step for a copy of a batch; after a failure the training goes on as usual."""
        self.batch = type(batch)(*(None if one is None else one.clone() for one in batch))
        self.is_recording = True
        try:
            self.graph.record(lambda: net.update_weights(self.batch))
        except RuntimeError as error:
            self.has_failed, self.batch = True, None
            warn_user(
                f"The training step could not be recorded as a CUDA graph: {error} The training "
                "goes on without a recording, which gives the same steps and takes more time."
            )
        finally:
            self.is_recording = False

    def release(self, optimizer):
        """Free the gradients and the recorded step, and restore the settings of the optimizer."""
        optimizer.zero_grad(set_to_none=True)
        if self.graph is not None:
            for group in optimizer.param_groups:
                group["capturable"] = False
                group["lr"] = group["initial_lr"]
            self.graph.release()
        self.graph = self.batch = None


def is_recordable(net, batch):
    """Return whether the step of a net is the same sequence of operations for each batch.

    Parameters
    ----------
    net : AutoencoderNet
        In training.
    batch : skae._input.batching.Batch
        The samples.
    """
    X = batch.X
    groups = net.optimizer_.param_groups
    return (
        USE_CUDA_GRAPHS
        and X.device.type in GRAPHS
        and X.device == groups[0]["params"][0].device
        and X.numel() <= MAX_NUMBERS
        and batch.targets is None
        and net.static
        and net.corrupt is None
        and net.parts == 1
        and not net.compile
        and not net.callbacks_
        and net.total_steps_ >= MIN_STEPS
        # a checkpoint contains neither tensors of the optimizer's settings nor a graph
        and type(net.checkpoints) is NoCheckpoints
        # the gradients of other processes are not part of a graph
        and type(net.processes) is NoProcesses
        and all(group.get("fused") and "capturable" in group for group in groups)
    )


def _layout(batch):
    """Return the shapes and dtypes of a batch."""
    return [None if values is None else (values.shape, values.dtype) for values in batch]
