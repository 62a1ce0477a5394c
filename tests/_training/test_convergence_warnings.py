"""Tests of warnings after a fit: their conditions, the recommended action, and repetitions."""

import copy
import io
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from skae import ConvAutoencoder, DenseAutoencoder
from skae._warnings import warn_user
from skae.bottlenecks import Quantized, Variational
from skae.penalties import Rate

from ..cases import curve, gray_images, low_rank

TOO_FEW_EPOCHS = ("is less than a tenth of the", "Validation loss was still decreasing")
"""Parts of the two warnings that recommend more epochs."""


def constant_columns():
    """Two columns that vary among ten that don't."""
    X = np.full((80, 12), 3.0)
    X[:, :2] = low_rank(80, 2)
    return X


BUNDLED = {
    "iris": lambda: load_iris().data,
    "wine": lambda: load_wine().data,
    "wine, scaled": lambda: scale(load_wine().data),
    "breast cancer": lambda: scale(load_breast_cancer().data),
    "diabetes": lambda: load_diabetes().data,
    "linnerud": lambda: load_linnerud().data,
    "digits": lambda: load_digits().data[:500],
    "noise": lambda: np.random.default_rng(0).normal(size=(200, 20)),
    "more columns than rows": lambda: np.random.default_rng(0).normal(size=(30, 80)),
    "constant columns": constant_columns,
    "constant": lambda: np.full((40, 4), 7.0),
    "curve": lambda: curve(300),
}


@pytest.mark.parametrize("name", BUNDLED)
def test_default_fit_emits_no_warning(name):
    """A default fit emits no warning on raw data, noise, and constant columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder(random_state=0).fit(BUNDLED[name]())


def test_default_fit_of_images_emits_no_warning():
    """A default fit of images emits no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ConvAutoencoder(random_state=0).fit(gray_images(100, 8, 8))


@pytest.mark.parametrize(
    ("make", "max_iter"), [(DenseAutoencoder, 1), (DenseAutoencoder, 2), (ConvAutoencoder, 1)]
)
def test_less_than_a_tenth_of_the_epochs_warns(make, max_iter):
    """Less than a tenth of the default epochs emits a warning at the line that calls fit."""
    with pytest.warns(
        ConvergenceWarning, match="less than a tenth of the .* epochs.*Increase max_iter"
    ) as records:
        make(max_iter=max_iter, random_state=0).fit(load_digits().data[:600])
    assert [warning.filename for warning in records] == [__file__]


def test_a_decreasing_validation_loss_warns():
    """A validation loss that decreases up to a small max_iter emits a warning."""
    with pytest.warns(
        ConvergenceWarning, match="Validation loss was still decreasing at max_iter=5 "
    ):
        fitted = DenseAutoencoder(max_iter=5, random_state=0).fit(load_digits().data)
    assert fitted.best_iter_ == 5


@pytest.mark.parametrize(
    "parameters", [{"max_iter": 30}, {"max_iter": 1, "early_stopping": False}], ids=str
)
def test_enough_epochs_or_no_validation_set_do_not_warn(parameters, digits):
    """Enough epochs emit no warning, and neither does a fit without a validation set."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder(8, random_state=0, **parameters).fit(digits[0])


def test_resumed_fits_do_not_warn(digits):
    """Single epochs of a warm start or of ``partial_fit`` emit no warning."""
    autoencoder = DenseAutoencoder(8, random_state=0, max_iter=20).fit(digits[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autoencoder.set_params(warm_start=True, max_iter=1).fit(digits[0])
        autoencoder.partial_fit(digits[0])


@pytest.mark.parametrize(
    ("parameters", "option"),
    [
        ({"bottleneck": Variational(weight=100)}, "100 in Variational"),
        ({"penalty": Rate(weight=50)}, "50 in Rate"),
    ],
    ids=str,
)
def test_latent_collapse_warns(parameters, option):
    """A weight that makes the latent vectors collapse emits a warning with the parameter to decrease."""
    with pytest.warns(
        UserWarning, match=f"latent vectors have collapsed.*Got the weight {option}: decrease it"
    ) as records:
        fitted = DenseAutoencoder(2, random_state=0, **parameters).fit(load_iris().data)
    assert fitted.score(load_iris().data) < 0.1
    assert [warning.filename for warning in records] == [__file__]


def test_unused_codebook_vectors_warn(digits):
    """More codebook vectors than samples emit a warning that names codebook_size."""
    with pytest.warns(
        UserWarning, match="codebook vectors represent no sample.*smaller codebook_size"
    ):
        DenseAutoencoder(4, bottleneck=Quantized(200), random_state=0).fit(digits[0][:80])


@pytest.mark.parametrize(
    "parameters",
    [{"bottleneck": "variational"}, {"bottleneck": "quantized"}, {"bottleneck": "ordered"}]
    + [{"penalty": name} for name in ("sparsity", "contraction", "decorrelation", "rate")],
    ids=str,
)
@pytest.mark.parametrize("name", ["iris", "wine, scaled"])
def test_default_weights_emit_no_warning(parameters, name):
    """Training objectives with default weights emit no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder(random_state=0, **parameters).fit(BUNDLED[name]())


def test_fits_of_a_search_warn_at_the_line_of_the_search(digits):
    """The fits of a search warn with their own numbers, and name the line that called the search."""
    grid = {"n_components": [4, 6], "max_iter": [1]}
    search = GridSearchCV(DenseAutoencoder(random_state=0), grid, cv=2, error_score="raise")
    with pytest.warns(ConvergenceWarning, match="max_iter=1 ") as records:
        search.fit(digits[0])
    assert {record.filename for record in records} == {__file__}


def test_convergence_warnings_name_the_default_number_of_epochs(digits):
    """The number of epochs in the warning is the one that "auto" uses."""
    with pytest.warns(ConvergenceWarning, match="max_iter=1 ") as records:
        DenseAutoencoder(max_iter=1, random_state=0).fit(digits[0])
    epochs = DenseAutoencoder(random_state=0).fit(digits[0]).max_iter_
    assert f"the {epochs} epochs" in str(records[0].message)


@pytest.mark.parametrize(
    ("action", "expected"), [("always", 3), ("ignore", 0), ("once", 1), ("module", 1)]
)
def test_warning_filters_are_respected(action, expected):
    """Python's warning filters decide how often a warning is shown."""
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter(action)
        for _ in range(3):
            warn_user(f"text for {action}")
    assert len(records) == expected
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="other")
        warnings.filterwarnings("error", message="text", module=r".*test_convergence_warnings")
        with pytest.raises(UserWarning, match="text for"):
            warn_user(f"text for {action}")


CALLS_THAT_WARN = {
    "signals": lambda: ConvAutoencoder(2, max_iter=1).fit_transform(
        np.random.default_rng(0).normal(size=(20, 768))
    ),
    "not reached": lambda: DenseAutoencoder(0.999, bottleneck="ordered", max_iter=1).fit(
        np.random.default_rng(0).normal(size=(60, 20))
    ),
    "few rows": lambda: DenseAutoencoder(4, max_iter=1).partial_fit(np.eye(6)[:2]),
    "other units": lambda: (
        DenseAutoencoder(1)
        .fit(np.arange(60, dtype=np.uint8).reshape(20, 3))
        .transform(np.ones((2, 3)))
    ),
    "one row": lambda: DenseAutoencoder(1).fit(np.arange(60).reshape(20, 3)).score(np.ones((1, 3))),
    "a copy": lambda: copy.deepcopy(fitted_on_missing_device()),
    "a file of joblib": lambda: joblib.load(joblib_file(fitted_on_missing_device())),
}


def fitted_on_missing_device():
    """Return a fitted autoencoder with a device that does not exist."""
    return DenseAutoencoder(1).fit(np.arange(60).reshape(20, 3)).set_params(device="cuda:99")


def joblib_file(estimator):
    """Write an estimator with joblib, and return the file."""
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("name", CALLS_THAT_WARN)
def test_warnings_name_the_line_of_the_user(name):
    """Each warning has the line of the user's call, however deep it is emitted."""
    with pytest.warns() as records:
        CALLS_THAT_WARN[name]()
    assert {warning.filename for warning in records} == {__file__}


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_finite_divergence_warns(early_stopping):
    """A loss far above that of the mean is a warning with the user's learning rate and the default."""
    X = np.random.default_rng(0).integers(0, 255, (60, 16)).astype(float)
    autoencoder = DenseAutoencoder(
        3, learning_rate_init=100.0, early_stopping=early_stopping, random_state=0
    )
    match = r"diverged: the loss after epoch .*learning_rate_init=100.0, .* and 'auto' is 0.00194"
    with pytest.warns(ConvergenceWarning, match=match) as records:
        autoencoder.fit(X)
    text = str(records[0].message)
    assert len(records) == 1
    if early_stopping:
        assert autoencoder.best_iter_ == 0
        assert "the initial ones, PCA" in text
    else:
        assert f"those of epoch {autoencoder.best_iter_}" in text


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("rate", ["auto", 0.1])
def test_overfitting_is_no_divergence(rate, early_stopping):
    """A validation loss that rises a little, as for noise, does not warn."""
    X = np.random.default_rng(0).normal(size=(100, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder(
            3, learning_rate_init=rate, early_stopping=early_stopping, random_state=0
        ).fit(X)


def test_rounding_errors_are_no_divergence():
    """With as many components as samples the first losses are rounding errors, and may grow."""
    X = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
    autoencoder = DenseAutoencoder(12, early_stopping=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autoencoder.fit(X)
    assert autoencoder.loss_curve_[-1] > 10 * min(autoencoder.loss_curve_)
