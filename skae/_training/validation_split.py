"""Validation split: a share of the samples, or folds with one copy of the network each."""

import copy

import torch

from skae._input.batching import Batch, Batches
from skae.networks.layers import stack_networks

__all__ = ["FoldBatches", "fold_indices", "make_folds", "validation_size"]

MAX_VALIDATION_SAMPLES = 3000
"""The most samples that an automatic validation set has. More estimate the loss hardly better, and
are missing in training."""


def validation_size(n_samples, fraction):
    """Return the size of a validation set.

    It is the given fraction of the samples; "auto" is a tenth, but at most 3,000 samples.
    """
    if fraction == "auto":
        wanted = min(MAX_VALIDATION_SAMPLES, 0.1 * n_samples)
    else:
        wanted = fraction * n_samples
    return min(n_samples - 1, max(1, round(wanted)))


def fold_indices(n_samples, n_folds, generator):
    """Split samples into folds at random.

    Returns
    -------
    val_indices, train_indices : list of torch.Tensor
        For each fold the rising indices of its validation samples, and those of all other samples.
    """
    order = torch.randperm(n_samples, generator=generator)
    val_indices = [order[i::n_folds].sort().values for i in range(n_folds)]
    train_indices = []
    for i in range(n_folds):
        others = [indices for j, indices in enumerate(val_indices) if j != i]
        train_indices.append(torch.cat(others).sort().values)
    return val_indices, train_indices


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
        orders = []
        for indices in self.train_indices:
            order = torch.randperm(len(indices), generator=self.generator)
            orders.append(indices[order[: self.n_samples]])
        orders = torch.stack(orders).to(self.rows.X.device)  # (n_copies, n_samples)
        copies = torch.arange(len(self.train_indices), device=orders.device)[:, None]
        for i in range(len(self)):
            start = i * self.batch_size
            stop = start + self.batch_size
            if i == len(self) - 1:
                stop = self.n_samples
            indices = orders[:, start:stop]
            weights = self.rows.weights
            if weights is not None:
                weights = weights[indices]
            yield Batch(self.rows.X[copies, indices], weights)


def make_folds(network, fold_pcas, val_indices, weights, prepare):
    """Create one copy of a network for each fold, initialized from the PCA of its training samples.

    Parameters
    ----------
    network : skae.networks.autoencoder.Autoencoder
        Initialized from all samples. It becomes the last of the copies.
    fold_pcas : list of skae._training.pca.PCAResult
        One for each fold, without its validation samples.
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
    copies = [copy.deepcopy(network) for _ in fold_pcas]
    for fold_network, pca in zip(copies, fold_pcas, strict=True):
        fold_network.init_from_pca(pca)
    copies.append(network)
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
