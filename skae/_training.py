"""Which rows are held out, and which weights are taken in the end.

A small validation share chooses by luck. On small data, therefore, one copy of the network for each fold is trained without the
rows of that fold, side by side with one more that sees all rows. Every row is then judged by a copy that did not see it, and
together they say after how many epochs to stop, and how much of the way from PCA to go. The copy with all rows goes just there.
On large data one share is held out from one network.
"""

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from skae._batches import Batch, Batches
from skae.networks.blocks import stacked

__all__ = ["Choice", "FoldBatches", "Watcher", "crossed"]


@dataclass
class Choice:
    """A state of the network, and how it did on rows that it did not learn from.

    Attributes
    ----------
    epoch : int
        After how many; 0 is the start.
    losses : ndarray of shape (n_held_out,)
        One loss for each row held out, already weighted.
    weights : dict of str to torch.Tensor
        Those of the network that goes to the user.
    rebuilt : float
        Of the losses, the mean of the reconstruction's part.
    """

    epoch: int
    losses: np.ndarray
    weights: dict = field(repr=False)
    rebuilt: float = 0.0

    @property
    def loss(self):
        """Mean over the rows."""
        return float(self.losses.mean())

    def beats(self, other, caution):
        """Say whether this is better, by more than `caution` standard errors of the difference."""
        with np.errstate(invalid="ignore"):
            gained = other.losses - self.losses
        if len(gained) < 2 or not np.isfinite(gained).all():
            return False  # one row says nothing, and neither does a loss beyond all numbers
        return float(gained.mean()) > caution * float(gained.std(ddof=1)) / np.sqrt(len(gained))


class Watcher:
    """Judge the network on rows held out, after epochs spread evenly over the training, and keep the best weights.

    Parameters
    ----------
    net : AutoencoderNet
        Initialized, and not yet trained.
    held_out : iterable of Batch
        Rows and their weights; empty to take the last weights.
    epochs : int
        How many the training has at the most.
    looks : int
        How often to judge.
    shares : tuple of float
        How much of the way from the start to the trained weights is tried at each look; the last is 1.
    caution : float
        By how many standard errors the best must beat the start.
    copies : bool, default=False
        Whether the module is a stack of copies.
    on_epoch : callable, default=None
        Called after each epoch with this watcher; true ends the training.

    Attributes
    ----------
    start, best : Choice
        Before the first epoch, and the best of all.
    losses, rebuilt : list of float
        Of the rows held out, at the start and after each look, with all of the way gone: all that training makes small, and the
        reconstruction's part of it.
    looked : list of int
        The epochs after which that was.
    null : float
        Of the rows held out if all were reconstructed as the mean.
    done : bool
        Whether to end the training: a callback asked for it, or nothing is gained.
    """

    def __init__(self, net, held_out, *, epochs, looks, shares, caution, copies=False, on_epoch=None):
        self.net = net
        self.held_out = held_out
        self.shares = shares
        self.caution = caution
        self.copies = copies
        self.on_epoch = on_epoch
        self.epoch, self.epochs = 0, epochs
        self.done = False
        self.looks = {round(epochs * (i + 1) / looks) for i in range(looks)} if held_out else set()
        # what says how far a network is from PCA
        self.reached = [weight for name, weight in net.module_.named_parameters() if "_linear." in name or "_last." in name]
        self.origin = [weight.detach().clone() for weight in self.reached]
        losses, rebuilt = self.judge()
        self.start = self.best = Choice(0, losses, self.weights(), float(rebuilt.mean()))
        self.looked, self.losses, self.rebuilt = [0], [self.start.loss], [self.start.rebuilt]
        self.null = float(self._each(net.null).mean()) if held_out else 0.0

    def __call__(self, net):
        """Look at the weights after an epoch."""
        self.epoch += 1
        if not self.held_out:
            self.best = Choice(self.epoch, np.zeros(1), self.weights())
        if self.epoch in self.looks:
            for share in self.shares:
                with self.part_of_the_way(share):
                    losses, rebuilt = self.judge()
                    if losses.mean() < self.best.loss:
                        self.best = Choice(self.epoch, losses, self.weights(), float(rebuilt.mean()))
            self.looked.append(self.epoch)
            self.losses.append(float(losses.mean()))
            self.rebuilt.append(float(rebuilt.mean()))
            self.done = self._hopeless()
        if self.held_out:
            net.history.record("valid_loss", self.losses[-1])
            net.history.record("valid_loss_best", self.losses[-1] <= min(self.losses))
        if self.on_epoch is not None and self.on_epoch(self):
            self.done = True

    def _hopeless(self):
        """Say whether to give up: nothing gained at all after a fifth of the epochs, or nothing sure after two."""
        done = self.epoch / self.epochs
        if not 0.2 <= done < 0.6:
            return False
        return self.best is self.start if done < 0.4 else not self.best.beats(self.start, self.caution)

    def judge(self):
        """Compute each held-out row's part of what is made small, and its reconstruction's; noise is always the same."""
        if not self.held_out:
            return np.zeros(1), np.zeros(1)
        self.net.module_.eval()
        noise = torch.Generator().manual_seed(0)
        return tuple(self._each(lambda batch: torch.stack(self.net.judge(batch, noise))))

    def _each(self, function):
        """Compute something for each row held out, weighted."""
        found = []
        for batch in self.held_out:
            values, weights = function(batch), batch.weights
            found.append(values if weights is None else (values * weights)[..., weights > 0])
        return torch.cat(found, -1).double().cpu().numpy()

    def weights(self):
        """Copy the weights of the network that goes to the user: of copies, the last."""
        named = self.net.module_.named_parameters()
        return {name: (weight[-1] if self.copies else weight).detach().clone() for name, weight in named}

    @contextmanager
    def part_of_the_way(self, share):
        """Go back from the trained weights towards the start for a while."""
        trained = [weight.detach().clone() for weight in self.reached]
        with torch.no_grad():
            for weight, origin in zip(self.reached, self.origin, strict=True):
                weight.lerp_(origin, 1 - share)
            yield
            for weight, there in zip(self.reached, trained, strict=True):
                weight.copy_(there)

    def chosen(self):
        """Give the best choice if it is surely better than the start, else the start; without rows held out the last."""
        if not self.held_out or self.best.beats(self.start, self.caution):
            return self.best
        return self.start


class FoldBatches(Batches):
    """Batches for copies of a network, each from the rows of its own folds.

    Parameters
    ----------
    dataset : skae._batches.Rows
        With prepared rows of shape (n_copies, n, ...): every copy has its own coordinates.
    members : list of torch.Tensor
        The row numbers that each copy learns from. In one epoch each copy sees as many rows as the shortest list has.
    batch_size, shuffle, generator
        As in `Batches`.
    """

    def __init__(self, dataset, batch_size, members, shuffle=True, generator=None):
        super().__init__(dataset, batch_size, shuffle=shuffle, generator=generator)
        self.members = members
        self.n_samples = min(len(rows) for rows in members)
        self.batch_size = min(batch_size, self.n_samples)

    def __iter__(self):
        orders = torch.stack(
            [rows[torch.randperm(len(rows), generator=self.generator)[: self.n_samples]] for rows in self.members]
        ).to(self.rows.X.device)
        copies = torch.arange(len(self.members), device=orders.device)[:, None]
        for i in range(len(self)):
            stop = self.n_samples if i == len(self) - 1 else (i + 1) * self.batch_size
            chosen = orders[:, i * self.batch_size : stop]
            yield Batch(self.rows.X[copies, chosen], None if self.rows.weights is None else self.rows.weights[chosen])


def crossed(network, starts, held, weights, prepare):
    """Make copies of a network that start from principal components of their own.

    Parameters
    ----------
    network : skae.networks.autoencoder.Autoencoder
        Started from all rows; it becomes the last of the copies.
    starts : list of skae._principal.Principal
        One for each fold, without its rows.
    held : list of torch.Tensor
        The numbers of the rows of each fold.
    weights : ndarray of shape (n,) or None
        Of all rows.
    prepare : callable
        ``network -> prepared rows of shape (n, ...)``.

    Returns
    -------
    together : skae.networks.autoencoder.Autoencoder
        A stack of one copy for each fold, and one with all rows.
    X : torch.Tensor of shape (n_copies, n, ...)
        The rows as each copy sees them.
    held_out : list of Batch
        One batch of the rows that each copy is judged by, with weights of 0 where a row does not count: the folds may differ by
        one row, and the last copy is not judged.
    """
    copies = [copy.deepcopy(network) for _ in starts]
    for one, principal in zip(copies, starts, strict=True):
        one.become(principal)
    copies.append(network)
    X = torch.stack([prepare(one) for one in copies])
    longest = max(len(rows) for rows in held)
    chosen = torch.zeros(len(copies), longest, dtype=torch.long)
    counts = torch.zeros(len(copies), longest)
    for i, rows in enumerate(held):
        chosen[i, : len(rows)] = rows
        counts[i, : len(rows)] = 1 if weights is None else torch.from_numpy(weights[rows.numpy()])
    rows = X[torch.arange(len(copies))[:, None], chosen.to(X.device)]
    return stacked(copies), X, [Batch(rows, counts.to(X.device))]
