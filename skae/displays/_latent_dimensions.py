"""Selection, projection and traversal of latent dimensions."""

from __future__ import annotations

import numpy as np

from skae.displays._plotting import to_numeric_array

__all__ = ["get_start", "project_to_2d", "traverse", "validate_components"]

MAX_COMPONENTS = 25
"""Maximum number of latent dimensions in one traversal; more rows are too small to see."""

MAX_DEFAULT_COMPONENTS = 8
"""Maximum number of latent dimensions varied by default; 8 rows of images fit on a screen."""


def project_to_2d(Z, components):
    """Return latent vectors in two dimensions, and the labels of the two axes.

    If `components` is None, codes of more than two dimensions are projected on their first two
    principal components.
    """
    n_samples, n_components = Z.shape
    if components is not None:
        first, second = _validate_component_pair(components, n_components)
        return Z[:, [first, second]], f"code {first}", f"code {second}"
    if n_components == 2:
        return Z, "code 0", "code 1"
    if n_samples < 2:
        raise ValueError(
            "Got 1 latent vector, but expected at least 2, which principal components need. "
            "Pass the latent dimensions to plot, such as components=(0, 1)."
        )
    from sklearn.decomposition import PCA  # imported here, because the import is slow

    pca = PCA(2).fit(Z)
    labels = [
        f"principal component {i + 1} of codes ({ratio:.0%})"
        for i, ratio in enumerate(pca.explained_variance_ratio_)
    ]
    return pca.transform(Z), *labels


def _validate_component_pair(components, n_components):
    """Return `components` as two ints, or raise a ValueError if they are not latent dimensions."""
    try:
        first, second = (int(component) for component in components)
    except (TypeError, ValueError):
        first = second = -1
    if min(first, second) < 0 or max(first, second) >= n_components:
        raise ValueError(
            f"Got components={components!r}, but expected two ints from 0 to {n_components - 1}."
        )
    return first, second


def validate_components(components, spread, grid):
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
    n_components = len(spread)
    if components is None:
        n_default = MAX_DEFAULT_COMPONENTS
        if grid:
            n_default = 2
        components = np.sort(np.argsort(-spread, kind="stable")[:n_default]).tolist()
    selected = _to_ints(components)
    is_valid = (
        1 <= len(selected) <= MAX_COMPONENTS
        and len(set(selected)) == len(selected)
        and min(selected) >= 0
        and max(selected) < n_components
    )
    if not is_valid:
        raise ValueError(
            f"Got components={components!r}, but expected 1 to {MAX_COMPONENTS} distinct ints "
            f"from 0 to {n_components - 1}."
        )
    if grid and len(selected) != 2:
        raise ValueError(f"Got components={components!r} with grid=True, but expected two ints.")
    return selected


def _to_ints(components):
    """Convert a sequence of whole numbers to a list of int; return [] if this is not possible."""
    try:
        integers = [int(component) for component in components]
    except (TypeError, ValueError):
        return []
    if integers != list(components):
        return []
    return integers


def get_start(start, Z):
    """Return `start` as a latent vector, or the mean of the latent vectors Z if it is None."""
    if start is None:
        return Z.mean(0)
    start = to_numeric_array(start).astype(np.float64).ravel()
    n_components = Z.shape[1]
    if start.size != n_components:
        raise ValueError(
            f"Got start with {start.size} values, but expected {n_components}: "
            "one for each latent dimension."
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
