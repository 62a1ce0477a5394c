"""Warnings: where a result is of little use, what to change, and not again and again."""

import copy
import io
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_linnerud, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from skae import ConvAutoencoder, DenseAutoencoder
from skae._advice import FALLING, HARDLY
from skae._warning import advise

from .cases import curve, grey_images, low_rank


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
def test_a_default_fit_warns_of_nothing(name):
    """On data as it comes, noise, and columns that don't vary, a default fit is silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder(random_state=0).fit(BUNDLED[name]())


def test_a_default_fit_of_images_warns_of_nothing():
    """Neither does one of images."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ConvAutoencoder(random_state=0).fit(grey_images(100, 8, 8))


@pytest.mark.parametrize(("make", "max_iter"), [(DenseAutoencoder, 1), (DenseAutoencoder, 2), (ConvAutoencoder, 1)])
def test_far_too_few_epochs_warn(make, max_iter):
    """Less than a tenth of the epochs that "auto" stands for warn, where fit was called."""
    with pytest.warns(ConvergenceWarning, match="less than a tenth of the epochs.*Raise max_iter") as found:
        make(max_iter=max_iter, random_state=0).fit(load_digits().data[:600])
    assert [warning.filename for warning in found] == [__file__]


def test_a_loss_that_still_falls_warns():
    """Where the loss of the samples held out falls to the very end of few epochs, a warning says so."""
    with pytest.warns(ConvergenceWarning, match="still falling clearly when max_iter was reached"):
        fitted = DenseAutoencoder(max_iter=5, random_state=0).fit(load_digits().data)
    assert fitted.best_iter_ == 5


@pytest.mark.parametrize("parameters", [{"max_iter": 30}, {"max_iter": 1, "early_stopping": False}], ids=str)
def test_enough_epochs_and_unknown_ones_do_not_warn(parameters, digits):
    """About as many epochs as "auto" stands for are enough; where nothing is held out nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder(8, random_state=0, **parameters).fit(digits[0])


def test_fits_that_go_on_do_not_warn(digits):
    """Who trains an epoch at a time, by a warm start or ``partial_fit``, is not told that it is few."""
    autoencoder = DenseAutoencoder(8, random_state=0, max_iter=20).fit(digits[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autoencoder.set_params(warm_start=True, max_iter=1).fit(digits[0])
        autoencoder.partial_fit(digits[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"bottleneck": "variational", "penalty_weight": 100},
        {"penalty": "rate", "penalty_weight": 50},
    ],
    ids=str,
)
def test_codes_that_say_nothing_warn(parameters):
    """Where a weight is so large that the codes no longer say anything of X, a warning says to lower it."""
    with pytest.warns(UserWarning, match="codes say next to nothing of X.*Lower penalty_weight") as found:
        fitted = DenseAutoencoder(2, random_state=0, **parameters).fit(load_iris().data)
    assert fitted.score(load_iris().data) < 0.1
    assert [warning.filename for warning in found] == [__file__]


def test_codebooks_without_samples_warn(digits):
    """Where most vectors stand for no sample, as where there are more vectors than samples, a warning names codebook_size."""
    with pytest.warns(UserWarning, match="vectors in the codebooks stand for no sample.*smaller codebook_size"):
        DenseAutoencoder(4, bottleneck="quantized", codebook_size=200, random_state=0).fit(digits[0][:80])


@pytest.mark.parametrize(
    "parameters",
    [{"bottleneck": "variational"}, {"bottleneck": "quantized"}, {"bottleneck": "ordered"}]
    + [{"penalty": name} for name in ("sparsity", "contraction", "decorrelation", "rate")],
    ids=str,
)
@pytest.mark.parametrize("name", ["iris", "wine, scaled"])
def test_default_weights_warn_of_nothing(parameters, name):
    """With default weights the options that ask more of the codes are silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder(random_state=0, **parameters).fit(BUNDLED[name]())


def counted(run):
    """Count the warnings that a function shows under Python's default filters."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        run()
    return [str(warning.message) for warning in found if issubclass(warning.category, ConvergenceWarning)]


def test_a_search_warns_once(digits):
    """Twelve fits of a search, each with too few epochs, and that of the winner, say what is wrong once; so does the next."""
    grid = {"n_components": [4, 6, 8, 10], "max_iter": [1]}
    search = GridSearchCV(DenseAutoencoder(random_state=0), grid, cv=3, error_score="raise")
    found = counted(lambda: search.fit(digits[0]))
    assert 1 <= len(found) == len(set(found))
    search.set_params(param_grid={"max_iter": [1, 2]})
    found = counted(lambda: search.fit(digits[0]))
    assert 1 <= len(found) == len(set(found))


SEARCH = """
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skae import DenseAutoencoder
search = GridSearchCV(DenseAutoencoder(max_iter=1, random_state=0), {"n_components": [4, 6, 8, 10]}, cv=3, n_jobs=2)
search.fit(load_digits().data[:300])
"""


def test_a_search_in_two_processes_warns_once_in_each():
    """Of twelve fits in two processes, and that of the winner in a third, each process shows the warning once at most."""
    done = subprocess.run([sys.executable, "-c", SEARCH], capture_output=True, text=True, check=True)
    assert "ConvergenceWarning" in done.stderr
    assert max(done.stderr.count(text) for text in (FALLING, HARDLY)) <= 3


def test_each_line_of_the_user_is_told():
    """The same advice on another line is news."""

    def run():
        for _ in range(3):
            advise("a", ConvergenceWarning)
        advise("a", ConvergenceWarning)
        advise("b", ConvergenceWarning)

    # this line of the test is two lines of `run` to advise, which leaves out only the lines of libraries
    assert counted(run) == ["a", "a", "b"]
    assert counted(run) == []


@pytest.mark.parametrize(("action", "expected"), [("always", 3), ("ignore", 0), ("once", 1), ("module", 1)])
def test_filters_have_their_way(action, expected):
    """A filter that asks for all warnings gets them, and one that asks for none gets none."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter(action)
        for _ in range(3):
            advise(f"text for {action}")
    assert len(found) == expected
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="other")
        warnings.filterwarnings("error", message="text", module=r".*test_advice")
        with pytest.raises(UserWarning, match="text for"):
            advise(f"text for {action}")


SOMETHING = {
    "signals": lambda: ConvAutoencoder(2, max_iter=1).fit_transform(np.random.default_rng(0).normal(size=(20, 768))),
    "not reached": lambda: DenseAutoencoder(0.999, bottleneck="ordered", max_iter=1).fit(
        np.random.default_rng(0).normal(size=(60, 20))
    ),
    "few rows": lambda: DenseAutoencoder(4, max_iter=1).partial_fit(np.eye(6)[:2]),
    "other units": lambda: DenseAutoencoder(1).fit(np.arange(60, dtype=np.uint8).reshape(20, 3)).transform(np.ones((2, 3))),
    "one row": lambda: DenseAutoencoder(1).fit(np.arange(60).reshape(20, 3)).score(np.ones((1, 3))),
    "a copy": lambda: copy.deepcopy(of_another_machine()),
    "a file of joblib": lambda: joblib.load(written(of_another_machine())),
}


def of_another_machine():
    """Give an autoencoder that was fitted on a device that hardly a machine has."""
    return DenseAutoencoder(1).fit(np.arange(60).reshape(20, 3)).set_params(device="cuda:99")


def written(estimator):
    """Write an estimator by joblib, and give the file."""
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("name", SOMETHING)
def test_warnings_name_the_line_of_the_user(name):
    """Whatever is warned of, and however deep, the line is that of the user's call."""
    with pytest.warns() as found:
        SOMETHING[name]()
    assert {warning.filename for warning in found} == {__file__}


def test_filters_of_a_context_count(monkeypatch):
    """Where a context has filters of its own, as from Python 3.14 on, these say whether a repetition is shown."""
    asked = ("always", None, UserWarning, None, 0)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for filters in ([], [asked]):
            monkeypatch.setattr(warnings, "_get_filters", lambda filters=filters: filters, raising=False)
            for _ in range(3):
                advise("text for a context")
    # of the three on a line, all but the first are repetitions
    assert len(found) == 1 + 3
