"""Validation split: a share of the samples, or folds with one copy of the network each."""

import copy
from dataclasses import dataclass

import torch

from skae._input.batching import Batch, Batches, RowDataset
from skae._input.rows import take_rows
from skae._training.fit_digest import digest_rows
from skae._warnings import warn_user
from skae.networks.layers import stack_networks

__all__ = [
    "FoldBatches",
    "Folds",
    "fold_copies",
    "fold_indices",
    "make_folds",
    "resume_folds",
    "validation_in_memory",
    "validation_size",
]

MAX_VALIDATION_SAMPLES = 3000
"""The most samples that an automatic validation set has. More estimate the loss hardly better, and
are missing in training."""


def validation_size(n_samples, fraction, max_size):
    """Return the size of a validation set, from 1 to `max_size`.

    It is the given fraction of the samples; "auto" is a tenth, but at most 3,000 samples.
    """
    if fraction == "auto":
        wanted = min(MAX_VALIDATION_SAMPLES, 0.1 * n_samples)
    else:
        wanted = fraction * n_samples
        if round(wanted) > max_size:
            warn_user(
                f"Got validation_fraction={fraction!r}, which is {round(wanted)} samples, but the "
                f"validation set has at most {max_size} here. Decrease validation_fraction."
            )
    return min(max_size, max(1, round(wanted)))


def fold_indices(n_samples, n_folds, generator):
    """Split samples into folds at random.

    Returns
    -------
    val_indices, train_indices : list of torch.Tensor
        For each fold the rising indices of its validation samples, and those of all other samples.
    """
    order = torch.randperm(n_samples, generator=generator)
    val_indices = [order[i::n_folds].sort().values for i in range(n_folds)]
    return val_indices, _other_indices(val_indices)


def _other_indices(val_indices):
    """Return for each fold the rising indices of the samples of all other folds."""
    train_indices = []
    for i in range(len(val_indices)):
        others = [indices for j, indices in enumerate(val_indices) if j != i]
        train_indices.append(torch.cat(others).sort().values)
    return train_indices


@dataclass(frozen=True)
class Folds:
    """Copies of the network at the end of a cross-validated fit, with which `fit` can continue.

    A sample that the network of the user was trained on can't validate it. The copies still have
    validation samples of their own.

    Attributes
    ----------
    networks : torch.nn.Module
        The stack of copies, one for each fold and one of all samples.
    val_indices : list of torch.Tensor
        The validation samples of each fold.
    rows_digest : str
        Digest of the rows. Other rows are split anew.
    is_initial : bool
        Whether training gained nothing until now, so that the network is PCA.
    """

    networks: torch.nn.Module
    val_indices: list
    rows_digest: str
    is_initial: bool


def resume_folds(folds, network, rows, generator):
    """Return the copies of an earlier fit, and the split into folds.

    Parameters
    ----------
    folds : Folds
        At the end of the earlier fit.
    network : skae.networks.autoencoder.Autoencoder
        The network of the user, which is the last of the copies.
    rows : array-like of shape (n, d)
        The rows of the present fit.
    generator : torch.Generator
        Splits other rows than those of the earlier fit.

    Returns
    -------
    copies : list of torch.nn.Module
        One network for each fold, and one of all samples.
    val_indices, train_indices : list of torch.Tensor
        As `fold_indices` returns them.
    """
    n_folds = len(folds.val_indices)
    copies = []
    for i in range(n_folds):
        copies.append(copy.deepcopy(network))
        weights = folds.networks.state_dict()
        copies[-1].load_state_dict({name: weight[i] for name, weight in weights.items()})
    if folds.rows_digest == digest_rows(rows):
        return [*copies, network], folds.val_indices, _other_indices(folds.val_indices)
    return [*copies, network], *fold_indices(len(rows), n_folds, generator)


def validation_in_memory(data, val_indices, device):
    """Read the validation samples of streamed data."""
    weights = data.weights
    if weights is not None:
        weights = weights[val_indices.numpy()]
    target_values = data.target_values
    if target_values is not None:
        target_values = target_values[val_indices]
    return RowDataset(take_rows(data.rows, val_indices), weights, device, target_values)


class FoldBatches(Batches):
    """Batches for copies of a network, each from the training samples of its own fold.

    Parameters
    ----------
    dataset : skae._input.batching.RowDataset
        Prepared rows of shape (n_copies, n, ...): every copy has its own coordinates.
    train_indices : list of torch.Tensor
        The samples that each copy is trained on. In one epoch each copy sees as many as the
        shortest list has.
    batch_size, shuffle, generator
        As in `Batches`.
    """

    def __init__(self, dataset, batch_size, train_indices, shuffle=True, generator=None):
        super().__init__(dataset, batch_size, shuffle=shuffle, generator=generator)
        self.train_indices = train_indices
        self.n_samples = min(len(indices) for indices in train_indices)
        self.batch_size = min(batch_size, self.n_samples)

    def __iter__(self):
        resumed = self._begin_epoch()
        orders = []
        for indices in self.train_indices:
            order = torch.randperm(len(indices), generator=self.generator)
            orders.append(indices[order[: self.n_samples]])
        X = self.dataset.X
        orders = torch.stack(orders).to(X.device)  # (n_copies, n_samples)
        # rows of all copies below each other, from which whole rows are copied
        first_rows = len(X[0]) * torch.arange(len(X), device=X.device)[:, None]
        X = X.flatten(0, 1)
        if resumed is not None:
            self.generator.set_state(resumed.present)
        for chunk in self.chunks()[self.n_batches :]:
            self.n_batches += 1
            indices = orders[:, chunk]
            weights = self.dataset.weights
            if weights is not None:
                weights = weights[indices]
            rows = X.index_select(0, (first_rows + indices).flatten())
            yield Batch(rows.unflatten(0, indices.shape), weights)


def fold_copies(network, fold_pcas):
    """Create one copy of a network for each fold, initialized from the PCA of its training samples.

    Parameters
    ----------
    network : skae.networks.autoencoder.Autoencoder
        Initialized from all samples. It becomes the last of the copies.
    fold_pcas : list of skae._training.pca.PCAResult
        One for each fold, without its validation samples.

    Returns
    -------
    copies : list of skae.networks.autoencoder.Autoencoder
        One network for each fold, and one of all samples.
    """
    copies = [copy.deepcopy(network) for _ in fold_pcas]
    for fold_network, pca in zip(copies, fold_pcas, strict=True):
        fold_network.init_from_pca(pca)
    return [*copies, network]


def make_folds(copies, val_indices, weights, prepare):
    """Stack copies of a network, and prepare the rows and the validation samples of each.

    Parameters
    ----------
    copies : list of skae.networks.autoencoder.Autoencoder
        One network for each fold, and one of all samples.
    val_indices : list of torch.Tensor
        The validation samples of each fold.
    weights : ndarray of shape (n,) or None
        Sample weights.
    prepare : callable
        ``network -> prepared rows of shape (n, ...)``.

    Returns
    -------
    networks : skae.networks.autoencoder.Autoencoder
        A stack of one copy for each fold, and one with all samples.
    X : torch.Tensor of shape (n_copies, n, ...)
        The rows as each copy sees them.
    validation_batches : list of Batch
        One batch with the validation samples of each copy. The weight is 0 where a fold has one
        sample less than the largest, and for the last copy, which has no validation samples.
    """
    X = torch.stack([prepare(fold_network) for fold_network in copies])
    largest = max(len(indices) for indices in val_indices)
    indices = torch.zeros(len(copies), largest, dtype=torch.long)
    val_weights = torch.zeros(len(copies), largest)
    for i, fold in enumerate(val_indices):
        indices[i, : len(fold)] = fold
        val_weights[i, : len(fold)] = 1
        if weights is not None:
            val_weights[i, : len(fold)] = torch.from_numpy(weights[fold.numpy()])
    rows = X[torch.arange(len(copies))[:, None], indices.to(X.device)]  # (n_copies, largest, ...)
    return stack_networks(copies), X, [Batch(rows, val_weights.to(X.device))]
