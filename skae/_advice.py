"""What a fit says where its result is of little use: what is wrong, and what to change."""

import torch
from sklearn.exceptions import ConvergenceWarning

from skae._batches import choose, chunks, select, to_tensor
from skae._warning import advise

__all__ = ["diverged", "warn_of_codes", "warn_of_end"]

FALLING = (
    "The loss of the samples held out was still falling clearly when max_iter was reached. Raise max_iter, or leave it 'auto'."
)
HARDLY = (
    "max_iter is less than a tenth of the epochs that 'auto' stands for, in which little is learned. Raise max_iter, or "
    "leave it 'auto'."
)

COLLAPSED = (
    "The codes say next to nothing of X: what is decoded from them explains less than a tenth of what as many principal "
    "components do. Lower penalty_weight."
)
DEAD = "More than half of the vectors in the codebooks stand for no sample. Choose a smaller codebook_size, or leave it 'auto'."

FEW, VERY_FEW = 4, 10
"""So many times fewer epochs than "auto" stands for are too few if the loss is still falling, or in any case."""

CLEARLY = 0.01
"""By so much of itself the loss falls in the last fifth of a training, slow as that is, if more epochs pay."""

LEAST = 0.1
"""Of what PCA explains, what codes explain that have not collapsed."""

MOST_ROWS = 4096
"""Of the rows whose codes are looked at."""


def warn_of_end(estimator, watcher, usual):
    """Warn where the user wanted so few epochs that training was clearly too short.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    watcher : skae._training.Watcher
        At the end.
    usual : int
        How many epochs "auto" would have been.
    """
    if estimator.max_iter == "auto" or estimator.init_ == "warm start" or FEW * watcher.epochs >= usual:
        return
    if not watcher.null or len(watcher.start.losses) < 2:
        return  # nothing was held out that varies, or one row, which says nothing
    if VERY_FEW * watcher.epochs < usual:
        advise(HARDLY, ConvergenceWarning)
    elif watcher.epoch == watcher.epochs and watcher.chosen() is not watcher.start:
        before = [loss for epoch, loss in zip(watcher.looked, watcher.losses, strict=True) if epoch <= 0.8 * watcher.epochs][-1]
        if watcher.losses[-1] < (1 - CLEARLY) * min(before, *watcher.losses[:-1]):
            advise(FALLING, ConvergenceWarning)


@torch.no_grad()
def warn_of_codes(estimator, network, rows, principal):
    """Warn where what was asked of the codes, beside reconstruction, left nothing of them, or few vectors of their codebooks.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    network : skae.networks.autoencoder.Autoencoder
        Trained.
    rows : ndarray, torch.Tensor or Stored of shape (n, d)
        Learned from.
    principal : Principal or None
        What they have in principal components; None where that isn't known any more.
    """
    quantized = estimator.bottleneck == "quantized"
    asked = quantized or estimator.bottleneck == "variational" or estimator.penalty is not None
    if principal is None or not asked or estimator.target_weight:
        return
    some = select(rows, choose(rows, MOST_ROWS))
    missed = total = torch.zeros((), dtype=torch.float64)
    used = torch.zeros(network.bottleneck.codebooks.shape[:2], dtype=torch.bool) if quantized else None
    for piece in chunks(len(some), network.most_numbers):
        part = to_tensor(some[piece], network.centre.scale.device)
        squares = [found.cpu().double().square().nansum() for found in network.residual(part)]
        missed, total = missed + squares[0], total + squares[1]
        if quantized:
            used.scatter_(1, network.bottleneck.nearest(network.code(network.prepare(part))[0]).cpu(), True)
    explained = float(principal.variances[: estimator.n_components_].sum()) / max(principal.total, 1e-300)
    if float(total - missed) < LEAST * explained * float(total):
        advise(COLLAPSED)
    elif quantized and used.double().mean() < 0.5:
        advise(DEAD)


def diverged(estimator, rate, epoch):
    """Make the error that says what to change when a loss is no longer a number.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    rate : float
        The learning rate that was used.
    epoch : int
        When it happened; the first is 1.
    """
    return ValueError(
        f"The loss was no longer a number in epoch {epoch}. Got learning_rate_init={estimator.learning_rate_init!r}, "
        f"which is {rate:.3g} here: lower it. The weights from before are kept."
    )
