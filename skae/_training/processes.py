"""The part of a process in a training: all of it, if there are no other processes."""

import math
from contextlib import nullcontext

import torch

from skae._input.batching import Batches, StreamedBatches
from skae._input.partition import DividedStreamedBatches, Partition
from skae._input.rows import chunk_slices
from skae._training.progress import EpochCallbacks
from skae._warnings import warn_user

__all__ = ["NoProcesses"]


class NoProcesses:
    """A training in one process."""

    partition: Partition | None = None
    epoch_callbacks: type = EpochCallbacks

    def settings(self, extra, *, streams=False):
        """Return the settings of skorch from `net_params` in this process."""
        return extra

    def epoch(self, net, n_steps):
        """Return a context for the steps of an epoch."""
        return nullcontext()

    def begin(self, net):
        """Begin with equal weights."""

    def batches_class(self, *, streams):
        """Return the class of the iterator of training batches."""
        if not streams:
            return Batches
        if self.partition is None:
            return StreamedBatches
        return DividedStreamedBatches

    def batches(self, dataset, batch_size):
        """Return batches of validation samples."""
        return Batches(dataset, batch_size, partition=self.partition)

    def compute_gradients(self, net, batch):
        """Compute loss and gradients of a batch, in as many chunks as its memory requires.

        Parameters
        ----------
        net : AutoencoderNet
            In training.
        batch : Batch
            The samples of this process.

        Returns
        -------
        step : dict
            Loss of the whole batch, and reconstructions of the samples of this process.
        """
        while True:
            net.optimizer_.zero_grad(set_to_none=True)
            try:
                if net.parts == 1:
                    return net.backward(batch, 1.0)
                return _backward_in_chunks(net, batch)
            except torch.OutOfMemoryError:
                if net.parts >= len(batch.X) or batch.X.ndim > 2 or net.recorder_.is_recording:
                    raise
            net.double_parts()
            warn_user(
                f"A batch of {len(batch.X)} samples does not fit into the memory of {net.device}. "
                f"From here on batches are processed in {net.parts} parts, which gives the same "
                "steps. Decrease batch_size to avoid this.",
            )

    def total_weight(self, batch):
        """Return the sum of the sample weights of the last batch."""
        return batch.total_weight

    def end_epoch(self, net, total_loss, total_weight):
        """Synchronize the weights and the sums of an epoch between all processes."""

    def agree(self, net, stop):
        """Return whether any process wants to stop at the end of an epoch."""
        return stop

    def for_each_sample(self, batches, function, generator=None):
        """Apply a function to each validation batch, and weight its values.

        Parameters
        ----------
        batches : iterable of Batch
            Validation samples.
        function : callable
            Function of a batch that returns values (..., b).
        generator : torch.Generator, default=None
            Generator that the function uses.

        Returns
        -------
        values : torch.Tensor of shape (..., n_validation_samples)
            float64, on the CPU.
        """
        results = []
        for batch in batches:
            values = function(batch)  # (..., b)
            if batch.weights is not None:
                values = (values * batch.weights)[..., batch.weights > 0]
            results.append(values)
        return torch.cat(results, -1).double().cpu()


def _backward_in_chunks(net, batch):
    """Add the gradients of all chunks of a batch; keep reconstructions only for callbacks."""
    batch_weight = batch.total_weight
    loss, reconstructions = 0, []
    for rows in chunk_slices(len(batch.X), math.ceil(len(batch.X) / net.parts)):
        chunk = batch.chunk(rows)
        step = net.backward(chunk, chunk.total_weight / batch_weight)
        loss = loss + step["loss"]
        if net.notifies_batches_:
            reconstructions.append(step["y_pred"])
    x_hat = torch.cat(reconstructions) if reconstructions else None
    return {"loss": loss, "y_pred": x_hat}
