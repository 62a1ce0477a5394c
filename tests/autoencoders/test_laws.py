"""What every configuration of the table must satisfy."""

import copy
import io
import math
import pickle
import re
import warnings
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score

from skae import DenseAutoencoder
from skae._input.image_layout import ImageLayout
from skae.export import load, save

from ..cases import BY_NAME, CASES
from ..process_settings import process_settings


def assert_close(found, expected, *, tolerance=1e-5):
    """Compare to the rounding of float32, relative to the largest number expected."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape
    largest = max(np.abs(expected).max(), 1e-300)
    np.testing.assert_allclose(found / largest, expected / largest, rtol=0, atol=tolerance)


def test_codes_are_finite_float32_of_the_right_shape(case, fitted):
    """Codes are finite float32 numbers, one row for each row of X and one column for each component."""
    Z = fitted.transform(case.X)
    assert isinstance(Z, np.ndarray)
    assert Z.shape == (len(case.X), fitted.n_components_)
    assert Z.dtype == np.float32
    assert np.isfinite(Z).all()
    assert Z.std() > 0


def test_n_components_is_kept(case, fitted):
    """The codes have the length that was asked for; "auto" is half of the features, at most 32, and a share cuts it."""
    d = case.flat.shape[1]
    asked, auto = case.estimator.n_components, max(1, min(32, d // 2))
    if isinstance(asked, float):
        assert 1 <= fitted.n_components_ < auto
    else:
        assert fitted.n_components_ == (auto if asked == "auto" else asked)
    assert fitted.n_features_in_ == d


def test_transform_is_deterministic(case, fitted):
    """Two calls give the same bits."""
    np.testing.assert_array_equal(fitted.transform(case.X), fitted.transform(case.X))


def test_rows_are_encoded_one_by_one_as_together(case, fitted):
    """A row's code does not depend on what else is in the call, nor on the order."""
    Z = fitted.transform(case.X)
    assert_close(np.concatenate([fitted.transform(case.X[:1]), fitted.transform(case.X[1:])]), Z)
    assert_close(
        fitted.transform(case.X[-1:]),
        Z[-1:],
        tolerance=1e-5 * max(1, np.abs(Z).max() / np.abs(Z[-1:]).max()),
    )
    assert_close(fitted.transform(case.X[::-1]), Z[::-1])


def test_rows_are_decoded_one_by_one_as_together(case, fitted):
    """A row's reconstruction does not depend on what else is in the call."""
    Z = fitted.transform(case.X)
    X_hat = fitted.inverse_transform(Z)
    assert_close(
        np.concatenate([fitted.inverse_transform(Z[:1]), fitted.inverse_transform(Z[1:])]), X_hat
    )


def test_two_fits_with_one_seed_are_bit_equal(case, fitted):
    """The same data and the same random_state give the same bits."""
    again = clone(fitted).fit(case.X)
    np.testing.assert_array_equal(again.transform(case.X), fitted.transform(case.X))
    assert again.loss_curve_ == fitted.loss_curve_


def test_fit_returns_self_and_fit_transform_equals_fit_then_transform(case, fitted):
    """fit_transform gives what fit and transform give."""
    estimator = clone(fitted)
    np.testing.assert_array_equal(estimator.fit_transform(case.X), fitted.transform(case.X))
    assert estimator.fit(case.X) is estimator


def test_clone_has_the_parameters_and_nothing_fitted(case, fitted):
    """A clone has equal parameters and no fitted attribute; the constructor takes what get_params gives."""
    parameters = fitted.get_params()
    assert clone(fitted).get_params() == parameters
    assert type(fitted)(**fitted.get_params(deep=False)).get_params() == parameters
    assert not [name for name in vars(clone(fitted)) if name.endswith("_")]
    changed = clone(fitted).set_params(n_components=2, loss="absolute_error")
    kept = {name: value for name, value in parameters.items() if not name.startswith("loss__")}
    assert changed.get_params() == {**kept, "n_components": 2, "loss": "absolute_error"}


def through_joblib(estimator):
    """Write and read with joblib."""
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def through_skops(estimator):
    """Write and read with skops, trusting no more than skae's own classes and the user's classes and functions."""
    data = skops.io.dumps(estimator)
    untrusted = skops.io.get_untrusted_types(data=data)
    foreign = {"torch.optim.nadam.NAdam"} if isinstance(estimator.solver, type) else set()
    own = ("skae.", "tests.user_options.", "torch.nn.modules.activation.")
    assert all(name.startswith(own) or name in foreign for name in untrusted), untrusted
    return skops.io.loads(data, trusted=untrusted)


def through_safetensors(estimator):
    """Write and read with skae.export."""
    with TemporaryDirectory() as folder:
        save(estimator, f"{folder}/x")
        return load(f"{folder}/x")


WAYS = {
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "joblib": through_joblib,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "skops": through_skops,
    "safetensors": through_safetensors,
}


def copied(way, case, estimator):
    """Return a copy, or None after the error of skae.export for options that are not skae's."""
    if way == "safetensors" and case.has_user_options:
        with pytest.raises(
            TypeError,
            match=r"Got .*(LogCosh|ViewAgreement|Channel|RowMeans|Speckle|largest_error|shrink)",
        ):
            WAYS[way](estimator)
        return None
    return WAYS[way](estimator)


@pytest.mark.parametrize("way", WAYS)
def test_state_survives(case, fitted, way):
    """What is written and read again, or copied, gives the same codes, reconstructions and attributes."""
    back = copied(way, case, fitted)
    if back is None:
        return
    assert type(back) is type(fitted)
    np.testing.assert_array_equal(back.transform(case.X), fitted.transform(case.X))
    np.testing.assert_array_equal(back.reconstruct(case.X), fitted.reconstruct(case.X))
    assert back.get_params() == fitted.get_params()
    assert back.loss_curve_ == fitted.loss_curve_
    assert back.n_iter_ == fitted.n_iter_
    not_copied = {"_folds"}  # networks of the folds, for warm_start in the same process
    assert vars(back).keys() - not_copied == vars(fitted).keys() - not_copied


@pytest.mark.parametrize("way", ["pickle", "joblib", "skops", "safetensors"])
def test_state_moves_to_another_device(case, fitted, way):
    """What was fitted on a device that is not there is read onto the CPU, with a warning, and does the same."""
    elsewhere = copy.deepcopy(fitted).set_params(device="cuda:99")
    if way == "safetensors" and case.has_user_options:
        assert copied(way, case, elsewhere) is None
        return
    with pytest.warns(UserWarning, match=r"Got device='cuda:99'.*using the CPU"):
        back = WAYS[way](elsewhere)
    assert back.net_.device == torch.device("cpu")
    np.testing.assert_allclose(
        back.transform(case.X), fitted.transform(case.X), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["skae", "scikit-learn", "torch"])
def test_other_versions_are_named(rows, name):
    """A warning has the version that wrote a pickle and the one that reads it, if more than their last numbers differ."""
    state = DenseAutoencoder(2, max_iter=1, random_state=0).fit(rows).__getstate__()
    now = state["_versions"][name]
    message = rf"This DenseAutoencoder was written with {name} 0\.0\.9, and is read with {name} {re.escape(now)}"
    with pytest.warns(UserWarning, match=message):
        DenseAutoencoder().__setstate__(
            {**state, "_versions": {**state["_versions"], name: "0.0.9"}}
        )
    near = ".".join([*now.split(".")[:2], "99"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseAutoencoder().__setstate__({**state, "_versions": {**state["_versions"], name: near}})


def test_any_attribute_survives(rows):
    """An attribute that fit may add, of plain values and of skae's own records, is read as it was written, in every way."""
    fitted = DenseAutoencoder(2, max_iter=1, random_state=0).fit(rows)
    noted = {
        "looks": [1, 2.5, None, "x"],
        "sizes": (3, np.float32(2)),
        "table": np.eye(2),
        "bytes": b"ab",
        "far": math.inf,
    }
    fitted.noted_ = {**noted, "record": ImageLayout((2, 3), channels_first=False, flat=True)}
    for name, way in WAYS.items():
        # skops knows no bytes without being told, and skae.export no attributes of users
        if name not in ("skops", "safetensors"):
            np.testing.assert_equal(way(fitted).noted_, fitted.noted_)


def test_state_survives_changed_parameters(case, fitted):
    """After set_params the fitted state is still used and copied as it was fitted, and the next fit follows the change."""
    changed = copy.deepcopy(fitted)
    if type(fitted).__name__ == "ConvAutoencoder":
        changed.set_params(n_filters=2)
    changed.set_params(n_components=4, activation="relu")
    expected = fitted.transform(case.X)
    copies = [copied(way, case, changed) for way in WAYS]
    for one in (changed, *(copy_ for copy_ in copies if copy_ is not None)):
        np.testing.assert_array_equal(one.transform(case.X), expected)
        assert one.n_components == 4
        assert one.n_components_ == fitted.n_components_
    assert changed.fit(case.X).transform(case.X).shape[1] == 4


def test_deep_copy_shares_nothing_with_the_original(case, fitted):
    """Fitting a copy again leaves the original as it was."""
    before = fitted.transform(case.X)
    for other in (copy.deepcopy(fitted), copy.copy(fitted)):
        other.fit(case.X[: len(case.X) // 2 + 1])
        np.testing.assert_array_equal(fitted.transform(case.X), before)


def test_feature_names_out(case, fitted):
    """Columns are named after the class, in small letters, and numbered."""
    prefix = type(fitted).__name__.lower()
    assert list(fitted.get_feature_names_out()) == [
        f"{prefix}{i}" for i in range(fitted.n_components_)
    ]


@pytest.mark.parametrize(
    ("container", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_set_output(case, fitted, container, frame):
    """Latent vectors and reconstructions of rows are tables where set_output selects tables."""
    estimator = copy.deepcopy(fitted).set_output(transform=container)
    Z = estimator.transform(case.X)
    assert isinstance(Z, frame)
    assert list(Z.columns) == list(fitted.get_feature_names_out())
    np.testing.assert_array_equal(Z.to_numpy(), fitted.transform(case.X))
    assert Z.to_numpy().dtype == np.float32
    expected = fitted.inverse_transform(fitted.transform(case.X))
    for X_hat in (estimator.inverse_transform(Z), estimator.inverse_transform(Z.to_numpy())):
        assert isinstance(X_hat, frame if expected.ndim == 2 else np.ndarray)
        np.testing.assert_array_equal(np.asarray(X_hat), expected)


def test_inverse_transform_gives_the_layout_of_fit(case, fitted):
    """Decoding the codes gives X's shape, float32, and is what reconstruct gives."""
    X_hat = fitted.inverse_transform(fitted.transform(case.X))
    assert X_hat.shape == case.X.shape
    assert X_hat.dtype == np.float32
    assert np.isfinite(X_hat).all()
    found = fitted.reconstruct(case.X)
    assert found.shape == case.X.shape
    assert found.dtype == np.float32
    assert_close(found, X_hat)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name.startswith("conv")],
    indirect=True,
    ids=lambda case: case.name,
)
def test_flat_rows_and_images_are_interchangeable_after_fit(case, fitted):
    """What was fitted on images takes flat rows, and the other way round; reconstruct follows the X given."""
    Z = fitted.transform(case.X)
    other = (
        case.X.reshape(len(case.X), *fitted.image_shape_)
        if case.X.ndim == 2
        else case.X.reshape(len(case.X), -1)
    )
    np.testing.assert_array_equal(fitted.transform(other), Z)
    assert fitted.reconstruct(other).shape == other.shape
    np.testing.assert_array_equal(
        fitted.reconstruct(other).ravel(), fitted.reconstruct(case.X).ravel()
    )
    assert fitted.inverse_transform(Z).shape == case.X.shape
    assert fitted.score(other) == fitted.score(case.X)


def in_units_of_errors(fitted, X):
    """Return flat rows in the units of errors: those of X, or the standard deviations of the channels of signals."""
    if hasattr(fitted, "channel_scale_"):
        X = X / fitted.channel_scale_
    return X.reshape(len(X), -1).astype(np.float64)


def test_score_is_the_share_of_variance_explained(case, fitted):
    """Score equals r2_score of the flat rows, weighted by the variance of the columns, and beats the mean."""
    X_hat = fitted.reconstruct(case.X)
    score = fitted.score(case.X)
    assert isinstance(score, float)
    assert score == pytest.approx(
        r2_score(
            in_units_of_errors(fitted, case.X),
            in_units_of_errors(fitted, X_hat),
            multioutput="variance_weighted",
        ),
        abs=2e-5,
    )
    if case.estimator.get_params()["init"] != "random" and case.estimator.loss == "squared_error":
        assert score > 0


def test_score_takes_weights(case, fitted):
    """A row of weight two counts as often as two rows."""
    weights = np.arange(len(case.X)) % 3
    weights[0] = 2
    repeated = np.repeat(case.X, weights, axis=0)
    assert fitted.score(case.X, sample_weight=weights) == pytest.approx(
        fitted.score(repeated), abs=1e-6
    )


def test_reconstruction_error_is_the_mean_squared_error_per_row(case, fitted):
    """One number per row, float64, in squared units of X, or of the channels of signals."""
    error = fitted.reconstruction_error(case.X)
    assert error.dtype == np.float64
    flat = in_units_of_errors(fitted, case.X)
    residual = flat - in_units_of_errors(fitted, fitted.reconstruct(case.X))
    expected = np.square(residual).mean(1)
    unit = flat.var() + np.square(flat).mean() * 1e-4
    np.testing.assert_allclose(error, expected, rtol=1e-3, atol=1e-6 * unit)


def test_global_state_is_left_alone(case, fitted):
    """No call touches the random states of NumPy and torch, the number of threads, or what torch has for defaults."""
    before = process_settings()
    estimator = clone(fitted).fit(case.X)
    estimator.score(case.X)
    estimator.reconstruction_error(case.X)
    estimator.inverse_transform(estimator.transform(case.X))
    estimator.partial_fit(case.X)
    pickle.loads(pickle.dumps(estimator))
    assert process_settings() == before


@pytest.mark.parametrize("name", ["dense-no-early-stopping", "dense-float32", "conv-odd"])
def test_without_a_seed_fits_differ_and_global_state_is_left_alone(name):
    """With random_state=None two fits are not the same, and no global random state moves."""
    case = BY_NAME[name]
    before = process_settings()
    first, second = (
        clone(case.estimator).set_params(random_state=None).fit(case.X) for _ in range(2)
    )
    assert first.loss_curve_ != second.loss_curve_
    # early stopping may select PCA in both
    if first.best_iter_ != 0 or second.best_iter_ != 0:
        assert not np.array_equal(first.transform(case.X), second.transform(case.X))
    assert process_settings() == before


def test_input_is_not_changed(case, fitted):
    """X has the same bits after every call as before."""
    X = np.array(case.X)
    estimator = clone(fitted).fit(X)
    estimator.inverse_transform(estimator.transform(X))
    estimator.reconstruct(X)
    estimator.score(X)
    np.testing.assert_array_equal(X, case.X)


def test_using_an_estimator_changes_nothing_in_it(case, fitted):
    """Transform and its kin write no attribute."""
    before = dict(vars(fitted))
    fitted.inverse_transform(fitted.transform(case.X))
    fitted.score(case.X)
    fitted.reconstruction_error(case.X)
    after = dict(vars(fitted))
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_fitted_attributes_agree_with_each_other(case, fitted):
    """Curves are plain lists with an entry for each epoch; the best loss is finite; the state holds no training data."""
    assert isinstance(fitted.loss_curve_, list)
    assert len(fitted.loss_curve_) == fitted.n_iter_ >= 1
    assert np.isfinite(fitted.loss_curve_).all()
    assert np.isfinite(fitted.best_loss_)
    if case.estimator.early_stopping:
        assert isinstance(fitted.validation_scores_, list)
        assert len(fitted.validation_scores_) >= 1
    else:
        assert fitted.validation_scores_ is None
    assert isinstance(fitted.init_, str)


def test_a_fitted_estimator_shows_as_text_and_html(case, fitted):
    """Repr and HTML show the class and, for images, the shape that was found."""
    assert type(fitted).__name__ in repr(fitted)
    html = fitted._repr_html_()
    assert "n_components_" in html
    if hasattr(fitted, "image_shape_"):
        assert "image_shape_" in html


# ---------------------------------------------------------------------------------------------------- kinds of input

KINDS = {
    "read-only": lambda X, tmp: _read_only(X),
    "memory-mapped": lambda X, tmp: _memory_mapped(X, tmp),
    "Fortran": lambda X, tmp: np.asfortranarray(X),
    "slice": lambda X, tmp: np.repeat(np.repeat(X, 2, axis=0), 2, axis=-1)[::2, ..., ::2],
    "reversed": lambda X, tmp: X[::-1].copy()[::-1],
    "list": lambda X, tmp: X.tolist(),
    "big-endian": lambda X, tmp: X.astype(X.dtype.newbyteorder(">")),
    "float32": lambda X, tmp: X.astype(np.float32),
    "longdouble": lambda X, tmp: X.astype(np.longdouble),
    "float16": lambda X, tmp: X.astype(np.float16),
    "int8": lambda X, tmp: X.astype(np.int8),
    "uint16": lambda X, tmp: X.astype(np.uint16),
    "int32": lambda X, tmp: X.astype(np.int32),
    "uint32": lambda X, tmp: X.astype(np.uint32),
    "uint64": lambda X, tmp: X.astype(np.uint64),
    "big-endian int32": lambda X, tmp: X.astype(">i4"),
}


def small_whole_numbers(X):
    """Make numbers that every dtype holds."""
    return np.rint(100 * (X - X.min()) / np.ptp(X))


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _memory_mapped(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["dense-no-early-stopping", "conv-odd", "conv-channels-first"])
def test_kinds_of_arrays_are_all_the_same(name, kind, tmp_path):
    """Memory order, byte order, containers and dtypes that hold the same numbers give the same fit and the same codes."""
    case = BY_NAME[name]
    X = small_whole_numbers(case.X)
    X_kind = KINDS[kind](X, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = clone(case.estimator).fit(X)
        found = clone(case.estimator).fit(X_kind)
        assert_close(expected.transform(X_kind), expected.transform(X))
        assert_close(found.transform(X_kind), found.transform(X))
        # rounding of the last digit grows in training, as first steps are about as long for small gradients as for large
        assert_close(found.transform(X), expected.transform(X), tolerance=0.03)
        assert_close(found.reconstruct(X_kind), expected.reconstruct(X), tolerance=0.03)
        assert found.score(X_kind) == pytest.approx(expected.score(X), abs=0.01)


@pytest.mark.parametrize("name", ["dense-no-early-stopping", "conv-odd"])
def test_booleans_are_zeros_and_ones(name):
    """Boolean arrays and tensors are taken as 0 and 1."""
    case = BY_NAME[name]
    X = np.median(case.X) < case.X
    estimator = clone(case.estimator).fit(X)
    expected = clone(case.estimator).fit(X.astype(np.float32))
    assert_close(estimator.transform(X), expected.transform(X.astype(np.float32)))
    assert_close(estimator.transform(torch.from_numpy(X)).numpy(), estimator.transform(X))


DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["dense-no-early-stopping", "conv-odd", "conv-channels-last"])
def test_tensors_in_give_tensors_out(name, dtype, device):
    """A tensor comes back as a tensor on its device, with the numbers that an array gives."""
    case = BY_NAME[name]
    X = small_whole_numbers(case.X)
    tensor = torch.from_numpy(X).to(dtype)
    estimator = clone(case.estimator).set_params(device=device).fit(X)
    Z = estimator.transform(tensor)
    assert isinstance(Z, torch.Tensor)
    assert Z.device == tensor.device
    assert Z.dtype == torch.float32
    assert not Z.requires_grad
    assert_close(Z.numpy(), estimator.transform(X))
    X_hat = estimator.inverse_transform(Z)
    assert isinstance(X_hat, torch.Tensor)
    assert X_hat.shape == tensor.shape
    assert_close(X_hat.numpy(), estimator.inverse_transform(Z.numpy()))
    assert isinstance(estimator.reconstruct(tensor), torch.Tensor)
    assert estimator.reconstruct(tensor).shape == tensor.shape
    assert isinstance(estimator.reconstruction_error(tensor), np.ndarray)
    assert estimator.score(tensor) == pytest.approx(estimator.score(X), abs=1e-5)
    fitted_on_tensor = clone(estimator).fit(tensor)
    assert_close(fitted_on_tensor.transform(X), estimator.transform(X), tolerance=0.03)
    np.testing.assert_array_equal(
        fitted_on_tensor.transform(tensor).numpy(),
        pickle.loads(pickle.dumps(fitted_on_tensor)).transform(tensor).numpy(),
    )


def test_set_output_beats_the_tensor():
    """Where set_output asks for a table, a tensor in gives the table."""
    case = BY_NAME["dense-no-early-stopping"]
    estimator = clone(case.estimator).set_output(transform="pandas")
    Z = estimator.fit_transform(torch.tensor(case.X))
    assert isinstance(Z, pd.DataFrame)
    assert list(Z.columns) == [f"denseautoencoder{i}" for i in range(3)]


def test_tensors_with_gradients_and_odd_strides_are_taken():
    """A tensor that requires gradients, or is transposed, is used as it is."""
    case = BY_NAME["dense-no-early-stopping"]
    estimator = clone(case.estimator).fit(case.X)
    tensor = torch.tensor(case.X.T, requires_grad=True).T
    assert_close(estimator.transform(tensor).numpy(), estimator.transform(case.X))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_tables_give_feature_names(frame):
    """Names of columns are kept from fit; other names, or another order, are an error."""
    X = frame(
        {f"column {i}": column for i, column in enumerate(BY_NAME["dense-no-early-stopping"].X.T)}
    )
    for name in ("dense-no-early-stopping", "conv-flat-square"):
        estimator = clone(BY_NAME[name].estimator).fit(X)
        assert list(estimator.feature_names_in_) == list(X.columns)
        assert_close(
            estimator.transform(X), clone(estimator).fit(X.to_numpy()).transform(X.to_numpy())
        )
        with pytest.raises(ValueError, match="feature names"):
            estimator.transform(X[list(X.columns)[::-1]])


def test_pandas_index_is_kept():
    """Codes as a table have the rows' names."""
    X = pd.DataFrame(BY_NAME["dense-no-early-stopping"].X).add_prefix("c")
    X.index = [f"row {i}" for i in range(len(X))]
    Z = (
        clone(BY_NAME["dense-no-early-stopping"].estimator)
        .set_output(transform="pandas")
        .fit_transform(X)
    )
    assert list(Z.index) == list(X.index)


def test_many_rows_are_taken_in_pieces(rng):
    """Rows that fill several pieces are encoded and scored as in pieces made by hand."""
    X = rng.normal(size=(3000, 3000)).astype(np.float32)  # 36 MB; a piece is 16 MB
    X[:, :3] *= 100
    estimator = BY_NAME["dense-no-early-stopping"].estimator
    estimator = (
        clone(estimator).set_params(max_iter=1, batch_size=512, hidden_layer_sizes=(8,)).fit(X[:40])
    )
    Z = estimator.transform(X)
    assert_close(Z, np.concatenate([estimator.transform(X[:1001]), estimator.transform(X[1001:])]))
    X_hat = estimator.reconstruct(X)
    expected = (
        1
        - np.square(X - X_hat.astype(np.float64)).sum()
        / np.square(X - X.mean(0, dtype=np.float64)).sum()
    )
    assert estimator.score(X) == pytest.approx(expected, abs=1e-5)
