"""Penalties on latent vectors ``z``, independent of their scale.

A penalty is one number per sample, or one per batch if it depends on how samples differ. Since it
does not depend on the scale, it can't be reduced by shrinking all latent vectors.
"""

import torch

__all__ = ["contraction", "decorrelation", "sparsity"]

MIN_RELATIVE_VARIANCE = 1e-6
"""Smallest mean square of a latent dimension, as a fraction of the largest of all dimensions.

The derivative of the square root at zero is infinite.
"""


def sparsity(z: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Compute the ratio of the L1 to the L2 norm of each latent dimension [1]_.

    The penalty of a sample is ``mean(|z_j| / rms_j)`` over the latent dimensions j. The root mean
    square ``rms_j`` is taken over the samples.

    Parameters
    ----------
    z : torch.Tensor of shape (n_samples, n_components)
        Latent vectors.
    weights : torch.Tensor of shape (n_samples,), default=None
        Sample weights; None means equal weights.

    Returns
    -------
    penalty : torch.Tensor of shape (n_samples,)
        Its mean over the samples is 0.8 for a normal distribution, and 1 if all absolute values
        are equal. It is smaller if most values are near zero.

    References
    ----------
    .. [1] P. O. Hoyer, "Non-negative matrix factorization with sparseness constraints", Journal of
       Machine Learning Research 5, 2004.
    """
    return (z.abs() / _root(_mean(z.square(), weights))).mean(1)


def decorrelation(z: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Compute the sum of squared correlations between latent dimensions, per dimension [1]_.

    The penalty is ``sum(C_ij^2 for i != j) / n_components`` with the correlation matrix C.

    Parameters
    ----------
    z : torch.Tensor of shape (n_samples, n_components)
        Latent vectors.
    weights : torch.Tensor of shape (n_samples,), default=None
        Sample weights; None means equal weights.

    Returns
    -------
    penalty : torch.Tensor of shape ()
        Between 0 and ``n_components - 1``.

    References
    ----------
    .. [1] M. Cogswell, F. Ahmed, R. Girshick, L. Zitnick and D. Batra, "Reducing overfitting in
       deep networks by decorrelating representations", ICLR 2016.
    """
    deviation = z - _mean(z, weights)
    deviation = deviation / _root(_mean(deviation.square(), weights))
    if weights is None:
        covariance = deviation.T @ deviation / len(z)  # (k, k)
    else:
        covariance = (deviation * weights[:, None]).T @ deviation / weights.sum()
    correlations = covariance.fill_diagonal_(0.0)
    return correlations.square().sum() / z.shape[1]


def contraction(
    z: torch.Tensor,
    x: torch.Tensor,
    weights: torch.Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Compute the squared norm of the encoder's Jacobian, over the variance of latent vectors [1]_.

    Parameters
    ----------
    z : torch.Tensor of shape (n_samples, n_components)
        Latent vectors, computed from `x` with gradients.
    x : torch.Tensor of shape (n_samples, n_features)
        Inputs, which require gradients.
    weights : torch.Tensor of shape (n_samples,), default=None
        Sample weights; None means equal weights.
    generator : torch.Generator, default=None
        If given, the norm of the Jacobian is estimated without bias from one random direction
        [2]_. None means one backward pass per latent dimension.

    Returns
    -------
    penalty : torch.Tensor of shape (n_samples,)
        ``(|dz/dx|^2 / n_components) / (V / n_features)``, where V is the sum of the variances of
        the latent dimensions. It is 1 for all principal components of white data.

    References
    ----------
    .. [1] S. Rifai, P. Vincent, X. Muller, X. Glorot and Y. Bengio, "Contractive auto-encoders:
       Explicit invariance during feature extraction", ICML 2011.
    .. [2] M. F. Hutchinson, "A stochastic estimator of the trace of the influence matrix for
       Laplacian smoothing splines", Communications in Statistics 18, 1989.
    """
    if generator is None:
        identity = torch.eye(z.shape[1], device=z.device)
        directions = identity[:, None].expand(-1, len(z), -1)  # (k, n, k)
    else:
        bits = torch.randint(2, z.shape, generator=generator)
        directions = (2 * bits - 1).to(z.device, z.dtype)[None]  # (1, n, k)
    squared_norm = 0.0
    for direction in directions:
        (gradient,) = torch.autograd.grad(z, x, direction.to(z.dtype), create_graph=True)
        squared_norm = squared_norm + gradient.float().square().sum(1)
    deviation = z - _mean(z, weights)
    variance = _mean(deviation.square(), weights).sum().clamp(min=1e-12)
    return squared_norm / z.shape[1] / (variance / x.shape[1])


def _mean(values, weights):
    """Return the mean over the samples."""
    if weights is None:
        return values.mean(0)
    return weights @ values / weights.sum()


def _root(squares):
    """Return the root of mean squares, bounded from below so that its gradient is finite."""
    bound = (MIN_RELATIVE_VARIANCE * squares.detach().max()).clamp(min=1e-24)
    return torch.maximum(squares, bound).sqrt()
