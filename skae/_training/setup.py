"""Set up a fit: the initialized network, the training plan, and training and validation batches."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from skae._devices import has_memory_for, resolve_device
from skae._input.batching import RowDataset
from skae._input.dtypes import to_tensor
from skae._input.rows import row_subset, sample_indices
from skae._input.streaming import StreamedRows
from skae._input.training_data import TrainingData
from skae._training.batch_loss import loss_settings
from skae._training.defaults import MAX_BATCH_NUMBERS, TrainingPlan
from skae._training.divided_steps import training_processes
from skae._training.fitted import FittedSpec
from skae._training.initialization import (
    check_resumable,
    initialize,
    pca_of_rows,
    restart_from_pca,
    warn_if_few_components,
)
from skae._training.net import AutoencoderNet, make_net
from skae._training.net_params import copy_parameter, extra_settings
from skae._training.objective import Objective, resolve_objective
from skae._training.optimizers import resolve_optimizer
from skae._training.pca import PCAResult
from skae._training.plan import resolve_plan, resolve_precision
from skae._training.preparation import can_prepare, prepare_rows
from skae._training.processes import NoProcesses
from skae._training.sample_changes import resolve_augment, resolve_corrupt
from skae._training.schedules import schedule_settings
from skae._training.validation_split import (
    FoldBatches,
    fold_copies,
    fold_indices,
    make_folds,
    resume_folds,
    validation_in_memory,
    validation_size,
)

__all__ = ["FitSetup", "set_up_fit", "set_up_partial_fit"]

MAX_PREPARED_BYTES = 2**27
"""Rows are prepared in memory up to this size, and batch by batch beyond it."""

MAX_VALIDATION_BYTES = 2**26
"""The largest validation set of streamed data, which stays in memory."""

MAX_EVALUATED_SAMPLES = 4096
"""The most validation samples in one batch."""

MAX_RESTARTED_SAMPLES = 20000
"""Up to this many samples, PCA is computed once more without the validation samples."""

NET_PARAMETERS = (
    "solver",
    "learning_rate_init",
    "net_params",
    "precision",
    "device",
    "bottleneck",
    "corruption",
    "augmentation",
    "penalty",
    "target_weight",
)
"""If one of these has changed, ``partial_fit`` creates a new net with a new optimizer."""


@dataclass
class FitSetup:
    """Everything that a training needs; nothing has been trained.

    Attributes
    ----------
    estimator : BaseAutoencoder
        As the user set it. It is read, and not changed.
    objective : Objective
        Its options as objects.
    data : TrainingData
        Checked data.
    resume : bool
        Whether the weights of an earlier fit are trained further.
    generator : torch.Generator
        Source of all randomness.
    device : torch.device
        Where the network is trained.
    extra : dict
        Settings of skorch from `net_params`.
    network : skae.networks.autoencoder.Autoencoder
        The network that the user gets.
    spec : FittedSpec
        Description of the network.
    pca : PCAResult or None
        The PCA of all samples that the network starts as; None if the fit continues an earlier one.
    plan : TrainingPlan
        Resolved settings.
    precision : torch.dtype
        Dtype of matrix products in training.
    corrupt : callable or None
        Corruption of inputs.
    augment : callable or None
        Augmentation of training samples.
    processes : NoProcesses
        The part of this process in the training.
    net : AutoencoderNet
        Holds the network, or a stack of copies of it.
    dataset : Rows
        Samples that the net is trained on.
    validation_batches : iterable of Batch
        Validation samples; empty without validation.
    validation_rows : array-like or None
        The same samples as rows.
    pca_without_validation : bool
        Whether the network starts as the PCA of the training samples alone.
    val_indices : list of torch.Tensor or None
        The validation samples of each fold.
    """

    estimator: Any
    objective: Objective
    data: TrainingData
    resume: bool
    generator: torch.Generator
    device: torch.device
    extra: dict
    network: torch.nn.Module
    spec: FittedSpec
    pca: PCAResult | None
    plan: TrainingPlan
    precision: torch.dtype
    corrupt: Any
    augment: Any
    processes: NoProcesses
    net: AutoencoderNet | None = None
    dataset: Any = None
    validation_batches: Any = ()
    validation_rows: Any = None
    pca_without_validation: bool = False
    val_indices: list | None = None

    def prepare(self, network, rows, *, in_memory=False):
        """Center, scale and transform rows into the space of training."""
        max_bytes = MAX_PREPARED_BYTES
        if in_memory:
            max_bytes = math.inf
        return prepare_rows(network.to(self.device), rows, self.precision, max_bytes)

    @property
    def prepares_rows(self):
        """Whether all rows are prepared: before training, or sparse ones when they are read."""
        datasets = [self.data.rows]
        if self.data.validation_rows is not None:
            datasets.append(self.data.validation_rows)
        can = can_prepare(self.network, datasets, self.precision, MAX_PREPARED_BYTES)
        return can and self.corrupt is None and self.augment is None

    @property
    def streams(self):
        """Whether batches are read from a file or a lazy array."""
        return isinstance(self.data.rows, StreamedRows) and not self.prepares_rows

    @property
    def n_parts(self):
        """Number of parts in which a batch is processed, so that memory is bounded."""
        numbers = self.plan.batch_size * self.network.n_prepared_features
        return math.ceil(numbers / (2 * MAX_BATCH_NUMBERS))

    @property
    def validation_batch_size(self):
        """Number of validation samples in one batch."""
        fitting = MAX_BATCH_NUMBERS // self.network.max_features_held
        return max(8, min(MAX_EVALUATED_SAMPLES, fitting))

    def training_rows(self):
        """Return the rows as a dataset: prepared, on the device if they fit, or as they are."""
        rows = self.data.rows
        if self.prepares_rows:
            rows = self.prepare(self.network, rows)
        elif isinstance(rows, (np.ndarray, torch.Tensor)) and has_memory_for(self.device, rows):
            rows = to_tensor(rows).to(self.device)
        return RowDataset(rows, self.data.weights, self.device, self.data.target_values)

    def pca_of(self, indices):
        """Compute the PCA of some rows, with as many components as that of all rows."""
        return pca_of_rows(
            self.estimator,
            self.data.rows,
            self.data.weights,
            len(self.pca.components),
            self.generator,
            self.device,
            indices=indices,
            earlier=self.pca,
        )

    def make_net(self, module, *, has_schedule=True, **settings):
        """Create a net with an optimizer."""
        estimator, plan = self.estimator, self.plan
        optimizer, optimizer_settings, rate_factor = resolve_optimizer(estimator.solver)
        rate = plan.learning_rate
        if estimator.learning_rate_init == "auto":
            rate = rate * rate_factor
        settings = {
            **loss_settings(self.objective, self.network, self.data, estimator.target_weight),
            "optimizer": optimizer,
            **{f"optimizer__{name}": value for name, value in optimizer_settings.items()},
            "lr": rate,
            "batch_size": plan.batch_size,
            "clip": plan.clip,
            "precision": self.precision,
            "iterator_train__shuffle": True,
            "iterator_train__generator": self.generator,
            "iterator_train": self.processes.batches_class(streams=self.streams),
            "parts": self.n_parts,
            "static": self.objective.is_static(self.network) and self.augment is None,
            "corrupt": self.corrupt,
            "augment": self.augment,
            "generator": self.generator,
            **self.extra,
            **schedule_settings(self, has_schedule=has_schedule),
            **settings,
        }
        settings = self.processes.settings(settings, streams=self.streams)
        net = make_net(module, self.device, **settings)
        net.processes = self.processes
        self.processes.begin(net)
        return net

    def use_all_rows(self):
        """Train on all rows; the validation samples are those of the user, or none."""
        self.dataset = self.training_rows()
        rows = self.data.validation_rows
        if rows is not None:
            self.validation_rows = rows
            if self.prepares_rows:
                rows = self.prepare(self.network, rows)
            validation = RowDataset(rows, None, self.device)
            self.validation_batches = self.processes.batches(validation, self.validation_batch_size)
        self.net = self.make_net(self.network, prepared=self.prepares_rows)

    def use_validation_split(self):
        """Hold out a share of the rows for validation."""
        data, n_samples = self.data, len(self.data)
        max_size = n_samples - 1
        if isinstance(data.rows, StreamedRows):  # its validation samples stay in memory
            max_size = min(max_size, max(8, MAX_VALIDATION_BYTES // data.rows.row_bytes))
        n_val = validation_size(n_samples, self.estimator.validation_fraction, max_size)
        val_indices = sample_indices(data.rows, n_val, self.generator)
        is_training = torch.ones(n_samples, dtype=torch.bool)
        is_training[val_indices] = False
        train_indices = is_training.nonzero()[:, 0]
        is_small = n_samples <= MAX_RESTARTED_SAMPLES and len(train_indices) > 1
        starts_as_pca = self.spec.network.has_linear_part and not self.spec.network.has_features
        if self.pca is not None and is_small and starts_as_pca:
            # PCA of all samples would have an advantage: it has seen the validation samples
            pca = self.pca_of(train_indices)
            train_rows = row_subset(data.rows, train_indices)
            self.spec = restart_from_pca(self.spec, self.network, pca, train_rows, self.generator)
            self.pca_without_validation = True
        self.dataset = self.training_rows()
        self.validation_rows = row_subset(data.rows, val_indices)
        if self.streams:
            validation = validation_in_memory(data, val_indices, self.device)
            self.net = self.make_net(self.network, iterator_train__val_indices=val_indices)
        else:
            validation = torch.utils.data.Subset(self.dataset, val_indices)
            self.dataset = torch.utils.data.Subset(self.dataset, train_indices)
            self.net = self.make_net(self.network, prepared=self.prepares_rows)
        self.validation_batches = self.processes.batches(validation, self.validation_batch_size)

    def use_folds(self):
        """Train one copy of the network for each fold, and one on all rows."""
        n_samples, rows = len(self.data), self.data.rows
        if self.resume:
            folds = self.estimator._folds
            resumed = resume_folds(folds, self.network, rows, self.generator)
            copies, val_indices, train_indices = resumed
        else:
            val_indices, train_indices = fold_indices(n_samples, self.plan.n_folds, self.generator)
            copies = fold_copies(self.network, [self.pca_of(indices) for indices in train_indices])
        self.val_indices = val_indices
        networks, X, self.validation_batches = make_folds(
            copies,
            val_indices,
            self.data.weights,
            lambda network: self.prepare(network, rows, in_memory=True),
        )
        self.dataset = RowDataset(X, self.data.weights, self.device)
        self.net = self.make_net(
            networks,
            prepared=True,
            iterator_train=FoldBatches,
            iterator_train__train_indices=[*train_indices, torch.arange(n_samples)],
        )


def set_up_fit(estimator, data, seed, *, resume):
    """Set up `fit`: errors of skorch and of optimizers are raised here, too.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    data : TrainingData
        Checked data.
    seed : int
        Seed of all randomness.
    resume : bool
        Whether the weights of an earlier fit are trained further.

    Returns
    -------
    setup : FitSetup
        Ready for training.
    """
    setup = _common_setup(estimator, data, seed, resume=resume, one_pass=False)
    if setup.plan.n_folds > 1:
        setup.use_folds()
    elif setup.plan.n_folds == 1 and data.validation_rows is None:
        setup.use_validation_split()
    else:
        setup.use_all_rows()
    return setup


def set_up_partial_fit(estimator, data, seed, *, resume):
    """Set up one pass of ``partial_fit``, with the last net if its settings are the same."""
    setup = _common_setup(estimator, data, seed, resume=resume, one_pass=True)
    if not resume:
        warn_if_few_components(setup.spec.network.n_components, setup.pca, data.rows.shape)
    setup.dataset = setup.training_rows()
    values = [getattr(estimator, name, None) for name in NET_PARAMETERS]
    net = getattr(estimator, "net_", None)
    if net is None or net.optimizer is None or net.made_with != values:
        setup.net = setup.make_net(setup.network, prepared=setup.prepares_rows, has_schedule=False)
        setup.net.made_with = [copy_parameter(value) for value in values]
        return setup
    net.prepared, net.batch_size = setup.prepares_rows, setup.plan.batch_size
    net.generator = net.iterator_train__generator = setup.generator
    net.iterator_train = setup.processes.batches_class(streams=setup.streams)
    net.parts = max(net.parts, setup.n_parts)
    net.processes = setup.processes
    settings = setup.processes.settings(setup.extra, streams=setup.streams)
    vars(net).pop("iterator_train__partition", None)  # of an earlier call with other processes
    if "iterator_train__partition" in settings:
        net.iterator_train__partition = settings["iterator_train__partition"]
    setup.net = net
    return setup


def _common_setup(estimator, data, seed, *, resume, one_pass):
    """Initialize or reuse a network, and resolve plan and precision."""
    generator = torch.Generator().manual_seed(seed)
    device = resolve_device(estimator.device)
    extra = extra_settings(estimator)
    objective = resolve_objective(estimator)
    if resume:
        check_resumable(estimator, objective, data.rows)
        network, spec, pca = estimator.net_.module_, estimator._spec, None
        spec = replace(spec, max_abs=max(spec.max_abs, data.max_abs))
    else:
        initialization = initialize(estimator, objective, data, generator, device)
        network, spec, pca = initialization.network, initialization.spec, initialization.pca
    augment = resolve_augment(estimator, objective, network, data.rows, one_pass=one_pass)
    plan = resolve_plan(
        estimator,
        objective,
        data,
        network,
        spec,
        extra,
        resume=resume,
        one_pass=one_pass,
        augmented=augment is not None,
    )
    return FitSetup(
        estimator=estimator,
        objective=objective,
        data=data,
        resume=resume,
        generator=generator,
        device=device,
        extra=extra,
        network=network,
        spec=spec,
        pca=pca,
        plan=plan,
        precision=resolve_precision(estimator, device, plan, spec.network),
        corrupt=resolve_corrupt(estimator, objective),
        augment=augment,
        processes=training_processes(objective, plan, data),
    )
