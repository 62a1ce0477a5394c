"""Several processes in a training: each computes a part of each batch, and the gradients are added.

All processes hold equal weights, random number generators and losses. With few samples, or if
samples depend on one another, each process computes whole batches.
"""

from contextlib import contextmanager, nullcontext
from zlib import crc32

import torch
from skorch.callbacks import (
    EarlyStopping,
    Freezer,
    GradientNormClipping,
    Initializer,
    LRScheduler,
    Unfreezer,
)
from torch.nn import SyncBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm

from skae._input.partition import Partition, ShardPartition
from skae._training.net_state import plain_records
from skae._training.processes import NoProcesses
from skae._training.progress import NoEpochCallbacks
from skae._training.schedules import TorchSchedule
from skae._training.step_sums import StepSum
from skae._warnings import recorded_warnings, warn_user
from skae.distributed._context import active_group
from skae.distributed._draws import WholeBatchDraws
from skae.distributed._shard import own_range

__all__ = ["SameSteps", "SplitSteps", "training_processes"]

STEPS_BETWEEN_CHECKS = 16
"""On accelerators, processes tell one another about errors after so many steps."""

N_FLAGS = 4
"""Errors, interruptions, wishes for a checkpoint, and processes without enough memory."""

CALLBACKS_OF_ALL = (
    TorchSchedule,
    EarlyStopping,
    Freezer,
    GradientNormClipping,
    Initializer,
    LRScheduler,
    Unfreezer,
)
"""Callbacks that change a training in the same way wherever they run."""


def runs_in_all_processes(callback):
    """Return whether a callback, which may be a pair (name, callback), runs in all processes."""
    if isinstance(callback, (list, tuple)):
        callback = callback[1]
    return type(callback) in CALLBACKS_OF_ALL


def has_own_modules(module):
    """Return whether a user wrote any of the modules in a network."""
    packages = {type(one).__module__.partition(".")[0] for one in module.modules()}
    return not packages <= {"skae", "torch"}


class SameSteps(NoProcesses):
    """A training in which all processes compute the same steps.

    Processors of different kinds round differently, so the results of the first process count.

    Parameters
    ----------
    group : skae.distributed.Group
        All processes.
    """

    def __init__(self, group):
        self.group = group
        self._has_callbacks = False
        if not group.is_first:
            self.epoch_callbacks = NoEpochCallbacks

    def settings(self, extra, *, streams=False):
        """Return the settings of skorch: callbacks of users belong to the first process.

        skorch's own callbacks that change a training run in all processes.
        """
        callbacks = extra.get("callbacks")
        if callbacks in (None, "disable"):
            return extra
        if not isinstance(callbacks, (list, tuple)):
            callbacks = [callbacks]
        in_all = [one for one in callbacks if runs_in_all_processes(one)]
        self._has_callbacks = len(in_all) < len(callbacks)
        if self.group.is_first:
            return extra
        return {**extra, "callbacks": in_all}

    def begin(self, net):
        """Use the weights of the first process."""
        with torch.no_grad():
            self.group.share(list(net.module_.state_dict().values()))

    def end_epoch(self, net, total_loss, total_weight):
        """Use the weights and sums of the first process."""
        with torch.no_grad():
            self.group.share([*net.module_.state_dict().values(), total_loss, total_weight])

    def agree(self, net, stop):
        """Return whether any process wants to stop, and share changes by callbacks."""
        self.group.epoch += 1
        stop = self.group.check(stop)
        if self._has_callbacks:
            self.begin(net)
            groups = net.optimizer_.param_groups
            for group, shared in zip(
                groups, self.group.share_json(plain_records(groups)), strict=True
            ):
                group.update(shared)
        return stop

    def for_each_sample(self, batches, function, generator=None):
        """Use the values of the first process."""
        values = super().for_each_sample(batches, function, generator)
        self.group.share([values])
        return values


class SplitSteps(SameSteps):
    """A training in which each process computes a part of each batch.

    Parameters
    ----------
    group : skae.distributed.Group
        All processes.
    rows : RowSource or ndarray
        Training samples.
    """

    def __init__(self, group, rows):
        super().__init__(group)
        self.partition = Partition(group.rank, group.size)
        own = own_range(rows)
        if own is not None:
            self.stream_partition = ShardPartition(group.rank, group.size, *own)
        else:
            self.stream_partition = self.partition
        self._n_remaining = 0
        self._step_sum = self._loss = self._weight = None
        self._has_too_little_memory = self._must_divide = False

    def settings(self, extra, *, streams=False):
        """Return the settings of skorch, with the partition of batches."""
        partition = self.partition
        if streams:
            partition = self.stream_partition
        return {**super().settings(extra), "iterator_train__partition": partition}

    def begin(self, net):
        """Use the weights of the first process, of a network that treats each sample by itself."""
        for module in net.module_.modules():
            if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
                raise ValueError(
                    f"Got a network with {type(module).__name__}, but in several processes each "
                    "one would normalize its own samples. Use LayerNorm, GroupNorm or "
                    "torch.nn.SyncBatchNorm, or fit in a block of skae.distributed.alone()."
                )
        super().begin(net)

    @contextmanager
    def epoch(self, net, n_steps):
        """Announce errors to the others by the sum of a step, which they wait for."""
        self._n_remaining = n_steps
        announce_between_steps = self.group.announce

        def announce(error):
            if self._n_remaining == 0:
                announce_between_steps(error)
                return
            while not self._sum(net, None, 0.0, has_failed=True):
                pass
            self.group.gather_messages(error)

        with self.group.announcing(announce):
            yield

    def compute_gradients(self, net, batch):
        """Compute the gradients of the own samples, and add those of all processes."""
        while True:
            state = None
            if net.generator is not None:  # that of a restorer belongs to its crops
                state = net.generator.get_state()
            net.optimizer_.zero_grad(set_to_none=True)
            step, weight = None, 0.0
            try:
                step, weight = self._own_gradients(net, batch)
            except torch.OutOfMemoryError:
                if net.parts >= batch.n_samples:
                    raise
                self._has_too_little_memory = True
            is_checked = self._sum(net, step, weight)
            if not is_checked or not self._must_divide:
                return self._summed_step(step)
            net.double_parts()
            warn_user(
                f"A batch of {batch.n_samples} samples does not fit into the memory of all "
                f"processes. From here on its samples are processed in {net.parts} parts. "
                "Decrease batch_size to avoid this.",
            )
            if not self._is_on_cpu:
                return self._summed_step(step)
            if state is not None:
                net.generator.set_state(state)
            self._n_remaining += 1

    def _own_gradients(self, net, batch):
        """Add the gradients of the own samples; return loss and weight, neither divided yet."""
        loss, weight, n = 0.0, 0.0, len(batch.X)
        reconstructions = []
        for i in range(net.parts):
            rows = slice(i * n // net.parts, (i + 1) * n // net.parts)
            is_padding = batch.is_padding or rows.start == rows.stop
            if is_padding:
                rows = slice(0, 1)
            chunk = batch.chunk(rows)
            share = 0.0
            if not is_padding:
                share = chunk.total_weight
            context = nullcontext()
            if not net.static:
                positions = batch.positions[rows]
                context = WholeBatchDraws(net.generator, batch.n_samples, positions)
            with context:
                step = net.backward(chunk, share)
            loss, weight = loss + step["loss"], weight + share
            if net.notifies_batches_:
                reconstructions.append(step["y_pred"])
        if batch.is_padding:
            # zeros in place of a sample may have an infinite loss
            net.optimizer_.zero_grad(set_to_none=False)
            loss = 0.0
        x_hat = None
        if reconstructions:
            x_hat = torch.cat(reconstructions)
        return {"loss": loss, "y_pred": x_hat}, weight

    def _sum(self, net, step, weight, *, has_failed=False):
        """Add gradients, loss, weight and flags of all processes.

        The gradients of the network become those of the whole batch, unless `has_failed`.

        Returns
        -------
        is_checked : bool
            Whether the flags were read.
        """
        parameters = [one for one in net.module_.parameters() if one.requires_grad]
        if self._step_sum is None or not self._step_sum.has_parameters(parameters):
            self._step_sum = StepSum(parameters, N_FLAGS, counts_uses=has_own_modules(net.module_))
        step_sum = self._step_sum
        if step is None:
            step_sum.clear()
        else:
            step_sum.write(step["loss"], weight)
        flags = torch.tensor([*self.group.flags(has_failed), float(self._has_too_little_memory)])
        if self._is_on_cpu:
            step_sum.flags.copy_(flags)
        self.group.sum(step_sum.numbers)
        self._n_remaining -= 1
        if not has_failed:
            self._loss, self._weight = step_sum.read()
        is_checked = self._is_on_cpu or self._n_remaining % STEPS_BETWEEN_CHECKS == 0
        if is_checked:
            # by the CPU, which does not wait for the device, and notices a lost process
            summed = step_sum.flags
            if not self._is_on_cpu:
                summed = self.group.sum(flags)
            self._must_divide = bool(summed[-1] > 0)
            self._has_too_little_memory = False
            if not has_failed:
                self.group.read_flags(summed.tolist())
        return is_checked

    @property
    def _is_on_cpu(self):
        """Whether the last step was computed on the CPU."""
        return self._step_sum.numbers.device.type == "cpu"

    def _summed_step(self, step):
        """Return the loss of the whole batch, with the reconstructions of the own samples."""
        if step is None:
            return {"loss": self._loss, "y_pred": None}
        return {"loss": self._loss, "y_pred": step["y_pred"]}

    def agree(self, net, stop):
        """Return whether any process wants to stop; raise an error for unequal generators."""
        if net.generator is not None:
            self._check_generators(net.generator)
        return super().agree(net, stop)

    def _check_generators(self, generator):
        """Raise an error if the order of the samples would not be the same in all processes."""
        states = self.group.gather_values(crc32(generator.get_state().numpy().tobytes()))
        if len(set(states)) > 1:
            raise ValueError(
                "The processes drew different random numbers in an epoch: a corruption, a module "
                "or another function draws numbers that depend on the number of samples of a "
                "process, such as torch.randperm(len(x)). Draw tensors with one row for each "
                "sample, or fit in a block of skae.distributed.alone()."
            )

    def total_weight(self, batch):
        """Return the sum of the sample weights of the last batch."""
        return self._weight

    def end_epoch(self, net, total_loss, total_weight):
        """Do nothing: all processes have the same sums."""

    def for_each_sample(self, batches, function, generator=None):
        """Compute the values of the own samples, and gather those of all processes."""
        results = []
        for batch in batches:
            with WholeBatchDraws(generator, batch.n_samples, batch.positions):
                values = function(batch).double().cpu()  # (..., b)
            if batch.weights is not None:
                values = values * batch.weights.double().cpu()
            gathered = torch.zeros(*values.shape[:-1], batch.n_samples, dtype=torch.float64)
            if not batch.is_padding:
                gathered[..., batch.positions] = values
            results.append(gathered)
        return self.group.checked_sum(torch.cat(results, -1))


def divided_training(rows):
    """Return the part of this process in a training whose batches are divided among processes.

    Parameters
    ----------
    rows : RowSource or ndarray
        Training samples.
    """
    group = active_group()
    if group is None:
        return NoProcesses()
    group.epoch = 0
    return SplitSteps(group, rows)


def training_processes(objective, plan, data):
    """Return the part of this process in a training.

    Parameters
    ----------
    objective : Objective
        Options of the estimator.
    plan : TrainingPlan
        Resolved settings.
    data : TrainingData
        Checked data.
    """
    group = active_group()
    if group is None:
        return NoProcesses()
    if plan.n_folds > 1:
        reason = f"the {len(data)} samples of X are cross-validated"
    elif objective.couples_samples:
        reason = "a penalty, a bottleneck or an augmentation combines the samples of a batch"
    else:
        return divided_training(data.rows)
    if own_range(data.rows) is not None:
        raise ValueError(
            f"Got a Shard, but {reason}, so that each process needs all samples. Pass the same X "
            "in each process."
        )
    with recorded_warnings():  # a finished fit does not warn again
        warn_user(
            f"Each of the {group.size} processes computes the whole fit, because {reason}: the fit "
            "takes as long as in one process."
        )
    group.epoch = 0
    return SameSteps(group)
