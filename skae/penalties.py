"""What else is asked of codes: functions of codes ``z``, free of their units, so that it does not help to make codes small.

They give one number per row, or one for the batch where it is about how rows differ.
"""

import torch

__all__ = ["contraction", "decorrelation", "sparsity"]


def sparsity(z: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Ratio of the absolute to the root mean square of every number of a code, the mean over the numbers [1]_.

    Parameters
    ----------
    z : torch.Tensor of shape (n_samples, n_components)
        Codes.
    weights : torch.Tensor of shape (n_samples,), default=None
        How much each row counts.

    Returns
    -------
    penalty : torch.Tensor of shape (n_samples,)
        Its mean over the rows is 0.8 for normal codes, 1 where all are of one size, and less where most are near zero.

    References
    ----------
    .. [1] P. O. Hoyer, "Non-negative matrix factorization with sparseness constraints", Journal of Machine Learning Research 5,
       2004.
    """
    return (z.abs() / _size(_mean(z.square(), weights))).mean(1)


def decorrelation(z: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Squared correlations of a number of the code with all others, summed, the mean over the numbers [1]_.

    Parameters
    ----------
    z : torch.Tensor of shape (n_samples, n_components)
        Codes.
    weights : torch.Tensor of shape (n_samples,), default=None
        How much each row counts.

    Returns
    -------
    penalty : torch.Tensor of shape ()
        Between 0 and ``n_components - 1``.

    References
    ----------
    .. [1] M. Cogswell, F. Ahmed, R. Girshick, L. Zitnick and D. Batra, "Reducing overfitting in deep networks by decorrelating
       representations", ICLR 2016.
    """
    away = z - _mean(z, weights)
    away = away / _size(_mean(away.square(), weights))
    rows = away if weights is None else away * weights[:, None]
    total = len(z) if weights is None else weights.sum()
    correlations = (rows.T @ away / total).fill_diagonal_(0.0)
    return correlations.square().sum() / z.shape[1]


def contraction(
    z: torch.Tensor,
    x: torch.Tensor,
    weights: torch.Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Squared change of the codes for small changes of the input, over the variance of the codes [1]_.

    Parameters
    ----------
    z : torch.Tensor of shape (n_samples, n_components)
        Codes, computed from `x` with gradients.
    x : torch.Tensor of shape (n_samples, n_features)
        Inputs, which require gradients.
    weights : torch.Tensor of shape (n_samples,), default=None
        How much each row counts.
    generator : torch.Generator, default=None
        With one, the norm of the Jacobian is estimated from one random direction [2]_ in place of one pass for each number
        of a code. The mean is the same.

    Returns
    -------
    penalty : torch.Tensor of shape (n_samples,)
        ``|dz/dx|^2 / n_components`` over ``|z|^2 / n_features``, both summed over the numbers, the latter a mean over the
        rows, about the mean code. It is 1 for all principal components of white data.

    References
    ----------
    .. [1] S. Rifai, P. Vincent, X. Muller, X. Glorot and Y. Bengio, "Contractive auto-encoders: Explicit invariance during
       feature extraction", ICML 2011.
    .. [2] M. F. Hutchinson, "A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines",
       Communications in Statistics 18, 1989.
    """
    if generator is None:
        directions = torch.eye(z.shape[1], device=z.device)[:, None].expand(-1, len(z), -1)
    else:
        drawn = torch.randint(2, z.shape, generator=generator)
        directions = (2 * drawn - 1).to(z.device, z.dtype)[None]
    change = 0.0
    for direction in directions:
        (slope,) = torch.autograd.grad(z, x, direction.to(z.dtype), create_graph=True)
        change = change + slope.float().square().sum(1)
    variance = _mean((z - _mean(z, weights)).square(), weights).sum().clamp(min=1e-12)
    return change / z.shape[1] / (variance / x.shape[1])


def _mean(values, weights):
    """Mean over the rows."""
    return values.mean(0) if weights is None else weights @ values / weights.sum()


def _size(squares):
    """Root of mean squares, but not of less than a millionth of the largest: at zero a root has no slope."""
    least = (1e-6 * squares.detach().max()).clamp(min=1e-24)
    return torch.maximum(squares, least).sqrt()
