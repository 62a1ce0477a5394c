"""Mean, scale and principal components of X, piece by piece: what the linear part of every network starts from."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from skae._batches import Selected, choose, chunks, to_tensor

__all__ = ["Principal", "normal_with_gaps", "principal_components", "random_components"]

MOST_FEATURES = 4096
"""Up to this many features the covariance is formed; beyond it, the products of the rows with each other."""

SAMPLE = 4096
"""How many rows give the first estimate of mean and scale, and the most whose products with each other are formed."""

DUAL_NUMBERS = 2**27
"""The most float32 numbers that are held at once where the products of the rows with each other are formed."""

DOUBLE_FLOPS = 2e10
"""Up to this many operations the covariance is summed in float64, beyond it in float32."""

MOST_FLOPS = 1e12
"""Up to this many the covariance is that of all rows; beyond it, that of as many rows as they allow."""

MOST_LINKED = 128
"""Up to so many columns a normal distribution of rows with gaps is found; the gaps of wider rows are filled with means."""

GAPPY_FLOPS = 3e8
"""Of the inverses in one round of finding it, each of what belongs to the gaps of a row. As many rows take part as that allows,
but four times as many as columns at least, and `SAMPLE` at most."""

GAPPY_NUMBERS = 2**18
"""Of the inverses that are computed at once, in float64: more would leave the caches."""

ROUNDS = 10
"""Of finding it: with more, directions that hardly vary are taken too seriously."""

ROUNDING, NARROWEST = 1e-12, 1e-15
"""A column that varies by less than this, beside its mean or beside the column that varies most, is taken as a constant: the
first is rounding, and the square of the second's inverse has to be a float32."""

RIDGE = 0.01
"""What is added to the variance of standardised columns: a hundredth of it counts as noise, whatever the rows say."""


@dataclass
class Principal:
    """A linear autoencoder of X, in units of `scale`.

    Attributes
    ----------
    reference : torch.Tensor of shape (d,)
        A row near the mean, in X's own precision.
    shift : torch.Tensor of shape (d,)
        The mean less `reference`, float64.
    scale : float
        Root of the mean variance of the features, in units of X; 1 for constant data.
    components : torch.Tensor of shape (m, d)
        Orthonormal rows, float32, by falling variance.
    variances : torch.Tensor of shape (m,)
        Along the components, in squared units of `scale`, float64.
    total : float
        Sum of the variances of all features, in squared units of `scale`.
    rule : str
        "pca" where all rows took part, or what was done instead.
    normal : tuple of torch.Tensor or None
        Mean and precision in units of X, float64, of the normal distribution that gaps are filled by.
    """

    reference: torch.Tensor
    shift: torch.Tensor
    scale: float
    components: torch.Tensor
    variances: torch.Tensor
    total: float
    rule: str
    normal: tuple | None = None


def principal_components(X, weights, n_coordinates, *, generator, view=None, device="cpu"):
    """Find the directions of most variance of X.

    Parameters
    ----------
    X : ndarray, torch.Tensor, Stored or Selected of shape (n, d)
        Rows in any real dtype; never copied as a whole.
    weights : ndarray of shape (n,) or None
        How often each row counts.
    n_coordinates : int
        The most directions wanted.
    generator : torch.Generator
        Chooses rows where not all can take part.
    view : callable, default=None
        What of the centred rows is looked at, such as the means of blocks: (b, d) to (b, d'). None: all of it.
    device : torch.device, default="cpu"
        Where the products are formed.

    Returns
    -------
    principal : Principal
        With at least one and at most `n_coordinates` components.
    """
    n, d = X.shape
    seen = d if view is None else view(torch.zeros(1, d)).shape[1]
    primal = seen <= min(n, MOST_FEATURES)
    rows = max(4 * seen, round(MOST_FLOPS / seen**2)) if primal else min(SAMPLE, max(2, DUAL_NUMBERS // seen))
    if rows < n:
        X, weights = _some(X, weights, choose(X, rows, generator))
    if primal:
        reference, shift, scale = _moments(*_some(X, weights, choose(X, SAMPLE)))
        mean, centre, gram = _covariance(X, weights, reference, shift, scale, device, view, seen)
        if not bool(torch.isfinite(gram).all()) or float(mean.square().mean()) > 0.01:
            # the sample said too little of where the data lie: take the mean and scale of all rows instead
            reference, shift, scale = _moments(X, weights)
            mean, centre, gram = _covariance(X, weights, reference, shift, scale, device, view, seen)
        shift = shift + centre.cpu() * scale
        variances, vectors = torch.linalg.eigh(gram)
        total, components = float(gram.trace()), vectors.flip(1).T
        variances = variances.flip(0)
    else:
        reference, shift, scale = _moments(X, weights)
        variances, components, total = _dual(X, weights, reference, shift, scale, device, view, seen)
    rule = "pca" if seen >= d else f"pca of {seen} block means"
    rule += "" if len(X) == n else f", {len(X)} rows"
    n = len(X)
    # beyond this a direction is rounding, and its coordinate noise
    precision = 1e-13 if variances.dtype == torch.float64 else 1e-7
    known = int((variances > precision * variances[0].clamp(min=1e-300)).sum())
    keep = max(1, min(n_coordinates, n - 1, known))
    components = components[:keep]
    largest = components.abs().argmax(1, keepdim=True)
    components = components * components.gather(1, largest).sign()  # as scikit-learn settles the signs
    return Principal(
        reference=reference,
        shift=shift,
        scale=scale,
        components=components.float().cpu().contiguous(),
        variances=variances[:keep].double().clamp(min=0).cpu(),
        total=max(total, 0.0),
        rule=rule,
    )


def random_components(X, weights, n_coordinates, *, generator, view=None, device="cpu"):
    """Draw directions at random, and find mean, scale and the variances along the directions.

    Takes and gives what `principal_components` does.
    """
    n, d = X.shape
    reference, shift, scale = _moments(X, weights)
    some, _ = _some(X, None, choose(X, min(SAMPLE, max(2, DUAL_NUMBERS // d))))
    rows = _scaled(to_tensor(some[:]), reference, shift, scale, "cpu")
    rows = rows if view is None else view(rows)
    keep = max(1, min(n_coordinates, n - 1, rows.shape[1]))
    components = torch.linalg.qr(torch.randn(rows.shape[1], keep, generator=generator)).Q.T
    variances = (rows @ components.T).double().square().mean(0)
    order = variances.argsort(descending=True)
    return Principal(
        reference=reference,
        shift=shift,
        scale=scale,
        components=components[order].contiguous(),
        variances=variances[order],
        total=float(rows.double().square().sum(1).mean()),
        rule="random",
    )


def normal_with_gaps(X, means, weights, *, generator):
    """Find the normal distribution under which what is known of rows with gaps is likely [1]_.

    Parameters
    ----------
    X : ndarray, torch.Tensor, Stored or Selected of shape (n, d)
        Rows, NaN in the gaps, with a number in every column. Of many rows some take part.
    means : torch.Tensor of shape (d,)
        Of the columns of all rows: those that take part may have nothing but gaps in one.
    weights : ndarray of shape (n,) or None
        How often each row counts.
    generator : torch.Generator
        Chooses rows where not all can take part.

    Returns
    -------
    mean : torch.Tensor of shape (d,)
        float64.
    precision : torch.Tensor of shape (d, d)
        The inverse of the covariance, in squared units of X, float64.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm", Journal
       of the Royal Statistical Society B 39, 1977.
    """
    n, d = X.shape
    X, weights = _some(X, weights, choose(X, SAMPLE, generator)) if n > SAMPLE else (X, weights)
    x = to_tensor(X[:]).cpu().double()
    w = torch.ones(len(x), dtype=torch.float64) if weights is None else torch.from_numpy(weights)
    flops = float(x.isnan().sum(1).double().pow(3).sum())
    every = max(1, min(math.ceil(flops / GAPPY_FLOPS), len(x) // (4 * d)))
    x, w = x[::every], w[::every]
    known = ~x.isnan()
    counts = w @ known.double()
    centre = torch.where(counts > 0, w @ x.nan_to_num(0.0) / counts, means.cpu().double())
    deviations = (w @ (x - centre).square().nan_to_num(0.0) / counts.clamp(min=1e-300)).sqrt()
    deviations = torch.where(deviations > ROUNDING * centre.abs(), deviations, 0.0)
    widest = float(deviations.max()) or 1.0
    deviations = torch.where(deviations > NARROWEST * widest, deviations, widest)
    x = (x - centre) / deviations
    filled, unsure = x.nan_to_num(0.0), (w @ (~known).double()).diag()

    def most_likely():
        mean = w @ filled / w.sum()
        away = filled - mean
        covariance = ((away.T * w) @ away + unsure) / w.sum() + RIDGE * torch.eye(d, dtype=torch.float64)
        return mean, torch.linalg.inv(covariance)

    pieces = _alike(~known)
    for _ in range(ROUNDS):
        mean, precision = most_likely()
        unsure = torch.zeros_like(precision)
        for rows, places, gap in pieces:
            both = gap.unsqueeze(-1) * gap.unsqueeze(-2)
            among = precision[places.unsqueeze(-1), places.unsqueeze(-2)] * both + (1 - gap).diag_embed()
            left_over = torch.cholesky_inverse(torch.linalg.cholesky(among)) * both  # (b, m, m): what the rest leaves open
            pull = (torch.where(known[rows], x[rows] - mean, 0.0) @ precision).gather(1, places)
            expected = mean[places] - (left_over @ pull.unsqueeze(-1))[..., 0]
            filled[rows] = filled[rows].scatter(1, places, torch.where(gap > 0, expected, filled[rows].gather(1, places)))
            cells = (places.unsqueeze(-1) * d + places.unsqueeze(-2)).flatten()
            unsure += torch.bincount(cells, (w[rows, None, None] * left_over).flatten(), d * d).view(d, d)
    mean, precision = most_likely()
    return centre + mean * deviations, precision / deviations / deviations[:, None]


def _alike(gaps):
    """Cut rows into pieces of about as many gaps each.

    Parameters
    ----------
    gaps : torch.Tensor of shape (n, d)
        True in the gaps.

    Returns
    -------
    pieces : list of (rows, places, gap)
        The numbers of b rows; the columns of their gaps, (b, m); and 1 for these, float64, but 0 where a row has fewer than m.
    """
    counts, order = gaps.sum(1).sort(descending=True)
    pieces, begin = [], 0
    while begin < len(order):
        most = max(1, int(counts[begin]))
        rows = order[begin : begin + max(1, GAPPY_NUMBERS // most**2)]
        gap, places = gaps[rows].double().topk(most)
        pieces.append((rows, places, gap))
        begin += len(rows)
    return pieces


def _some(X, weights, numbers):
    """Give some of the rows and of the weights, by rising numbers; no row is copied before it is asked for."""
    if len(numbers) == len(X):
        return X, weights
    return Selected(X, numbers), None if weights is None else weights[numbers.numpy()]


def _moments(X, weights):
    """Mean (as a row and a shift from it) and overall scale, in float64; of bytes exactly, and quickly."""
    n, d = X.shape
    reference = to_tensor(X[:1])[0].cpu()
    count, total, squares = 0.0, torch.zeros(d, dtype=torch.float64), torch.zeros(d, dtype=torch.float64)
    for piece in chunks(n, 2 * d):
        rows = to_tensor(X[piece]).cpu()
        if rows.dtype == torch.uint8 and weights is None:
            away = rows.float().sub_(reference.float())
            count += len(rows)
            total += away.sum(0, dtype=torch.float64)
            squares += away.square_().sum(0, dtype=torch.float64)
            continue
        away = _less(rows, reference)
        w = torch.ones(len(rows), dtype=torch.float64) if weights is None else torch.from_numpy(weights[piece])
        count += float(w.sum())
        total += w @ away
        squares += w @ away.square_()
    shift = total / max(count, 1e-300)
    variance = float((squares / max(count, 1e-300) - shift.square()).clamp(min=0).mean())
    tiny = 1e-24 * float(squares.mean() / max(count, 1e-300))  # what is left over of a constant is rounding
    return reference, shift, float(np.sqrt(variance)) if variance > tiny else 1.0


def _less(rows, reference):
    """Rows less a reference row as float64; integers are subtracted as integers."""
    if rows.dtype == torch.int64 and reference.dtype == torch.int64:
        return (rows - reference).double()
    return rows.double() - reference.double()


def _scaled(rows, reference, shift, scale, device):
    """Rows about their mean, in units of `scale`: narrow numbers in float32 on the device, wide ones in float64."""
    if rows.dtype in (torch.int64, torch.float64):
        return ((_less(rows, reference.to(rows.device)) - shift.to(rows.device)) / scale).to(device, torch.float32)
    mean = reference.double() + shift
    high = mean.float()
    low = (mean - high.double()).float()
    return torch.sub(rows.to(device), high.to(device)).sub_(low.to(device)).div_(scale)


def _covariance(X, weights, reference, shift, scale, device, view, seen):
    """Mean (less the one given) and covariance of what is seen of the scaled rows, and the mean of all of them, in one pass."""
    n, d = len(X), seen
    precise = torch.float64 if n * d * d <= DOUBLE_FLOPS and torch.device(device).type != "mps" else torch.float32
    gram = torch.zeros(d, d, dtype=precise, device=device)
    total, count = torch.zeros(d, dtype=precise, device=device), 0.0
    everything = torch.zeros(X.shape[1], dtype=precise, device=device)
    for piece in chunks(n, X.shape[1]):
        rows = _scaled(to_tensor(X[piece]), reference, shift, scale, device)
        w = torch.ones(len(rows), dtype=precise, device=device)
        if weights is not None:
            w = torch.from_numpy(weights[piece]).to(device, precise)
        count += float(w.sum())
        if view is not None:
            everything += w @ rows.to(precise)
            rows = view(rows)
        rows = rows.to(precise)
        total += w @ rows
        gram.addmm_(rows.T if weights is None else rows.T * w, rows)
    mean = total / count
    return mean, mean if view is None else everything / count, gram / count - torch.outer(mean, mean)


def _dual(X, weights, reference, shift, scale, device, view, seen):
    """Principal directions from the products of the rows with each other, for data with more columns than rows."""
    # in one array: many small ones that are kept between large ones that aren't would leave the heap full of holes
    rows = torch.empty(len(X), seen, device=device)
    for piece in chunks(*X.shape):
        part = _scaled(to_tensor(X[piece]), reference, shift, scale, device)
        rows[piece] = part if view is None else view(part)
    root = torch.ones(len(rows), device=device)
    if weights is not None:
        root = torch.from_numpy(weights).to(device, torch.float32).sqrt()
    rows = rows * root[:, None]
    count = float(root.square().sum())
    products = (rows @ rows.T) / count
    variances, vectors = torch.linalg.eigh(products.double() if products.device.type != "mps" else products)
    variances, vectors = variances.flip(0), vectors.flip(1)
    kept = variances > 1e-7 * variances[0].clamp(min=1e-300)
    if not bool(kept.any()):
        kept[0] = True  # constant data: any direction will do, and its variance is zero
    components = vectors[:, kept].T.float() @ rows
    # an orthonormal basis also where two variances are nearly the same
    components = torch.linalg.qr(components.T).Q.T
    return variances[kept], components, float(rows.square().sum()) / count
