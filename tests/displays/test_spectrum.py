"""SpectrumDisplay: explained variance ratios, PCA and errors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from skae import DenseAutoencoder, SpectrumDisplay

from ..cases import low_rank
from .data import QUICK, TABLE

pytestmark = pytest.mark.usefixtures("closed_figures")


def test_an_ordered_autoencoder_is_scored_for_each_number_of_components(ordered):
    """Scores are those of truncated latent vectors, and of PCA with as many components."""
    X, train = low_rank(30, 8, seed=1), TABLE.to_numpy()
    display = SpectrumDisplay.from_estimator(
        ordered, pd.DataFrame(X, columns=TABLE.columns), X_train=TABLE
    )
    assert display.n_components.tolist() == [1, 2, 3, 4]
    total = np.square(X - X.mean(0)).sum()
    Z = ordered.transform(pd.DataFrame(X, columns=TABLE.columns))
    reconstruction = ordered.inverse_transform(Z[:, :2])
    np.testing.assert_allclose(
        display.explained[1], 1 - np.square(X - reconstruction).sum() / total, rtol=1e-5
    )
    np.testing.assert_allclose(
        display.explained[-1], ordered.score(pd.DataFrame(X, columns=TABLE.columns)), rtol=1e-5
    )
    pca = PCA(3).fit(train)
    squared_error = np.square(X - pca.inverse_transform(pca.transform(X))).sum()
    np.testing.assert_allclose(display.pca_explained[2], 1 - squared_error / total)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.explained)
    np.testing.assert_array_equal(display.pca_line_.get_ydata(), display.pca_explained)


def test_an_ordered_autoencoder_without_X_shows_its_fitted_ratios(ordered):
    """Without X, `explained_variance_ratio_` is summed, and PCA is not plotted."""
    display = SpectrumDisplay.from_estimator(ordered)
    np.testing.assert_allclose(
        display.line_.get_ydata(), np.cumsum(ordered.explained_variance_ratio_)
    )
    assert display.pca_line_ is None
    assert display.ax_.get_ylabel() == "Explained variance ratio\n(validation set)"


def test_several_autoencoders_are_sorted_by_n_components():
    """Scores of several autoencoders are one curve."""
    X = low_rank(60, 8)
    several = [DenseAutoencoder(k, **QUICK).fit(X) for k in (3, 1)]
    display = SpectrumDisplay.from_estimator(several, X, name="ours")
    assert display.n_components.tolist() == [1, 3]
    np.testing.assert_allclose(display.explained, [several[1].score(X), several[0].score(X)])
    assert display.line_.get_label() == "ours"


def test_invalid_spectra_raise(table, ordered):
    """Unordered or missing autoencoders, and missing samples, raise informative errors."""
    with pytest.raises(ValueError, match="DenseAutoencoder that is not ordered, but expected"):
        SpectrumDisplay.from_estimator(table, TABLE)
    with pytest.raises(ValueError, match="empty list, but expected fitted autoencoders"):
        SpectrumDisplay.from_estimator([], TABLE)
    with pytest.raises(
        TypeError, match="Got PCA, but SpectrumDisplay expected an estimator with n_comp"
    ):
        SpectrumDisplay.from_estimator([table, PCA(2).fit(TABLE)], TABLE)
    with pytest.raises(ValueError, match="X=None, but expected samples to score"):
        SpectrumDisplay.from_estimator([table])
    with pytest.raises(ValueError, match="X=None, but expected samples to score"):
        SpectrumDisplay.from_estimator(ordered, X_train=TABLE)
    with pytest.raises(ValueError, match=r"explained of shape \(1,\), but expected \(2,\)"):
        SpectrumDisplay(n_components=[1, 2], explained=[0.5]).plot()
