"""Selection, projection and traversal of latent dimensions."""

from __future__ import annotations

from operator import index

import numpy as np

from skae.displays._plotting import to_numeric_array

__all__ = ["get_start", "project_to_2d", "select_components", "traverse"]

MAX_COMPONENTS = 25
"""Maximum number of latent dimensions in one traversal; more rows are too small to see."""

MAX_DEFAULT_COMPONENTS = 8
"""Maximum number of latent dimensions varied by default; 8 rows of images fit on a screen."""


def project_to_2d(Z, components):
    """Return latent vectors in two dimensions, and the labels of the two axes.

    If `components` is None, latent vectors of more than two dimensions are projected on their first
    two principal components.
    """
    n_components = Z.shape[1]
    if components is None and n_components > 2:
        return _project_on_principal_components(Z)
    if components is None:
        components = [0, 1]
    components = _validate_components(components, n_components, is_pair=True)
    return Z[:, components], *[f"Latent dimension {component}" for component in components]


def _project_on_principal_components(Z):
    """Return the first two principal components of latent vectors, and their labels."""
    if len(Z) < 2:
        raise ValueError(
            "Got 1 latent vector, but expected at least 2, which principal components need. "
            "Pass the latent dimensions to plot, such as components=(0, 1)."
        )
    from sklearn.decomposition import PCA  # imported here, because the import is slow

    pca = PCA(2).fit(Z)
    labels = [
        f"Principal component {i + 1} of latent vectors ({ratio:.0%})"
        for i, ratio in enumerate(pca.explained_variance_ratio_)
    ]
    return pca.transform(Z), *labels


def select_components(components, spread, grid):
    """Return the latent dimensions to vary as a list of int.

    Parameters
    ----------
    components : list of int or None
        Latent dimensions of the user. If None, those with the largest standard deviations are
        returned in increasing order: two for a grid, at most 8 otherwise.
    spread : ndarray of shape (n_components,)
        Standard deviation of each latent dimension.
    grid : bool
        Whether two latent dimensions are varied at once.
    """
    if components is None:
        n_default = MAX_DEFAULT_COMPONENTS
        if grid:
            n_default = 2
        components = np.sort(np.argsort(-spread, kind="stable")[:n_default]).tolist()
    return _validate_components(components, len(spread), is_pair=grid)


def _validate_components(components, n_components, *, is_pair):
    """Return distinct latent dimensions as a list of int, or raise a ValueError."""
    n_min, n_max, expected = 1, MAX_COMPONENTS, f"1 to {MAX_COMPONENTS}"
    if is_pair:
        n_min, n_max, expected = 2, 2, "two"
    try:
        selected = [index(component) for component in components]
    except TypeError:
        selected = []  # refused below
    is_distinct = len(selected) == len(set(selected))
    is_valid = n_min <= len(selected) <= n_max and set(selected) <= set(range(n_components))
    if not is_distinct or not is_valid:
        raise ValueError(
            f"Got components={components!r}, but expected {expected} distinct ints from 0 to "
            f"{n_components - 1}."
        )
    return selected


def get_start(start, Z):
    """Return `start` as a latent vector, or the mean of the latent vectors Z if it is None."""
    if start is None:
        return Z.mean(0)
    start = to_numeric_array(start).astype(np.float64).ravel()
    if start.size != Z.shape[1]:
        raise ValueError(
            f"Got start with {start.size} values, but expected {Z.shape[1]}: one for each latent "
            "dimension."
        )
    return start


def traverse(start, steps, spread, components, grid):
    """Return latent vectors that differ from the start in one latent dimension, or in two.

    Parameters
    ----------
    start : ndarray of shape (n_components,)
        Latent vector to start from.
    steps : ndarray of shape (n_steps,)
        Changes in standard deviations.
    spread : ndarray of shape (n_components,)
        Standard deviation of each latent dimension.
    components : list of int
        Latent dimensions to vary.
    grid : bool
        Whether the first latent dimension increases along a row, and the second one from the last
        row to the first.

    Returns
    -------
    Z : ndarray of shape (n_rows, n_steps, n_components)
        Latent vectors; n_rows is n_steps with `grid`, and the number of `components` otherwise.
    """
    n_steps = len(steps)
    if grid:
        across, up = components
        Z = np.tile(start, (n_steps, n_steps, 1))
        Z[..., across] += steps * spread[across]
        Z[..., up] += steps[::-1, None] * spread[up]
        return Z
    Z = np.tile(start, (len(components), n_steps, 1))
    for row, component in enumerate(components):
        Z[row, :, component] += steps * spread[component]
    return Z
