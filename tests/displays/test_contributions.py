"""ContributionDisplay: bars of the features of one sample."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA

from skae import ContributionDisplay, ReconstructionDetector
from skae.anomaly import Explanation


def test_the_largest_contribution_is_first():
    """Bars are sorted, and labels have names, values and expected values."""
    X = np.random.default_rng(0).normal(size=(100, 4))
    detector = ReconstructionDetector(PCA(2), random_state=0).fit(X)
    faulty = X[:2].copy()
    faulty[1, 3] = 9.0
    display = ContributionDisplay.from_estimator(
        detector, faulty, sample=1, max_features=3, bar_kw={"color": "red"}
    )
    assert display.feature_names[0] == "x3"
    assert len(display.bars_) == 3
    assert (np.diff(display.contributions) <= 0).all()
    assert display.ax_.get_yticklabels()[0].get_text().startswith("x3 = 9 (expected ")
    _, ax = plt.subplots()
    assert display.plot(ax=ax).ax_ is ax
    plt.close("all")


def test_explanations_of_images_are_refused():
    """Images have no feature names."""
    maps = np.zeros((1, 4, 4))
    with pytest.raises(ValueError, match="explanation of images"):
        ContributionDisplay.from_explanation(Explanation(maps, maps, maps, [], np.zeros(1)))
    with pytest.raises(TypeError, match="expected an estimator with explain"):
        ContributionDisplay.from_estimator(PCA(1).fit(np.eye(3)), np.eye(3))
