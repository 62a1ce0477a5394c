"""Bad input: a clear error each, and nothing changed in an estimator that was fitted before."""

import copy
import functools
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.exceptions import NotFittedError

from skae import ConvAutoencoder, DenseAutoencoder
from skae.bottlenecks import Quantized
from skae.corruptions import Gaussian

from ..cases import gray_images, low_rank

ROWS = low_rank(30, 9)
IMAGES = gray_images(30, 6, 5)


FAST = {"n_components": 2, "max_iter": 1, "early_stopping": False, "random_state": 0}


def dense(**parameters):
    """Make a small dense autoencoder."""
    return DenseAutoencoder(**{**FAST, "hidden_layer_sizes": (8,), **parameters})


def conv(**parameters):
    """Make a small convolutional autoencoder."""
    return ConvAutoencoder(**{**FAST, "n_filters": 2, **parameters})


@pytest.fixture(params=["dense", "conv", "conv-images"])
def fitted(request):
    """A fitted estimator, and the data of its fit."""
    X = IMAGES if request.param == "conv-images" else ROWS
    return (dense if request.param == "dense" else conv)().fit(X), X


def state(estimator):
    """Everything fitted, in a form that can be compared."""
    weights = {name: weight.clone() for name, weight in estimator.net_.module_.state_dict().items()}
    rest = {
        name: copy.deepcopy(value)
        for name, value in vars(estimator).items()
        if name not in ("net_", *estimator.get_params()) and not name.startswith("_skl")
    }
    return weights, rest


class Unchanged:
    """Expect an error with a message, and the estimator to be as it was."""

    def __init__(self, estimator, X, match, error=(ValueError, TypeError)):
        self.estimator, self.X = estimator, X
        self.raises = pytest.raises(error, match=match)

    def __enter__(self):
        self.before, self.Z = state(self.estimator), self.estimator.transform(self.X)
        return self.raises.__enter__()

    def __exit__(self, *what):
        caught = self.raises.__exit__(*what)
        np.testing.assert_array_equal(self.estimator.transform(self.X), self.Z)
        weights, rest = state(self.estimator)
        assert weights.keys() == self.before[0].keys()
        assert all(torch.equal(weight, self.before[0][name]) for name, weight in weights.items())
        assert rest.keys() == self.before[1].keys()
        for name, value in rest.items():
            np.testing.assert_equal(value, self.before[1][name], err_msg=name)
        return caught


def spoiled(X, value, place=(4, 1)):
    """Copy X with one number replaced: row 4, column 1."""
    X = X.copy()
    X.reshape(len(X), -1)[place] = value
    return X


BAD_X = {
    "NaN": (lambda X: spoiled(X, np.nan), r"NaN.*column 1\b.*row 4"),
    "infinity": (lambda X: spoiled(X, np.inf), r"(?i)infinity.*column 1\b.*row 4"),
    "minus infinity": (lambda X: spoiled(X, -np.inf), r"(?i)infinity.*column 1\b.*row 4"),
    "NaN tensor": (lambda X: torch.tensor(spoiled(X, np.nan)), r"NaN.*column 1\b"),
    "too large": (lambda X: spoiled(X, 1e39), r"float32.*column 1\b"),
    "strings": (lambda X: np.full(X.shape, "cat"), r"text of X .*ColumnTransformer"),
    "objects": (
        lambda X: np.full(X.shape, "cat", dtype=object),
        r"text (in column 0, row 0|at index \(0, 0, 0\)) of X",
    ),
    "dictionaries": (
        lambda X: spoiled(X.astype(object), {"a": 1}),
        r"(?i)argument must be|dict|number",
    ),
    "None": (lambda X: None, r"(?i)None|expected"),
    "a folder": (lambda X: "photos", r"Got 'photos' as X.*skae\.datasets\.ImageFolder"),
    "a path": (lambda X: Path("photos"), r"Got 'photos' as X.*skae\.datasets\.ImageFolder"),
    "names of files": (
        lambda X: ["a.png", "b.png"],
        r"Got 'a.png' as X.*skae\.datasets\.ImageFolder",
    ),
    "a number": (lambda X: 3.0, r"(?i)2D array|scalar|dimension"),
    "complex": (lambda X: X + 1j, r"Complex data not supported"),
    "complex tensor": (lambda X: torch.tensor(X + 1j), r"Complex data not supported"),
    "no rows": (lambda X: X[:0], r"0 sample"),
    "no rows in a tensor": (lambda X: torch.tensor(X[:0]), r"0 sample"),
    "one dimension": (lambda X: X.reshape(len(X), -1)[:, 0], r"(?i)1D array|2D"),
    "tensor of one dimension": (lambda X: torch.ones(5), r"(?i)1D|2D"),
    "five dimensions": (lambda X: np.ones((4, 2, 3, 3, 1)), r"(?i)\(4, 2, 3, 3, 1\)|dim 5|2D"),
    "ragged": (lambda X: [[1, 2], [3]], r"\(2,\) and \(1,\) in X"),
    "sparse tensor": (lambda X: torch.tensor(X.reshape(len(X), -1)).to_sparse(), r"(?i)sparse"),
}


METHODS = ["fit", "partial_fit", "transform", "reconstruct", "score", "reconstruction_error"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
@pytest.mark.parametrize("images", [False, True])
def test_sparse_images(method, kind, images):
    """Convolutional autoencoders refuse sparse matrices, whether they were fitted to rows or images."""
    X = IMAGES if images else ROWS
    estimator = conv().fit(X)
    with Unchanged(estimator, X, r"Sparse data was passed for X.*dense data is required"):
        getattr(estimator, method)(kind(X.reshape(len(X), -1)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", BAD_X)
def test_bad_x(kind, method, fitted):
    """What is no table or images of finite real numbers is refused by every method, by name."""
    make, message = BAD_X[kind]
    estimator, X = fitted
    with Unchanged(estimator, X, message):
        getattr(estimator, method)(make(X))


@pytest.mark.parametrize("kind", BAD_X)
@pytest.mark.parametrize("make", [dense, conv])
def test_bad_x_in_a_first_fit(make, kind):
    """An estimator whose first fit fails is not fitted."""
    make_bad, message = BAD_X[kind]
    estimator = make()
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.fit(make_bad(ROWS))
    with pytest.raises(NotFittedError):
        estimator.transform(ROWS)
    assert not [name for name in vars(estimator) if name.endswith("_")]


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_one_row(kind, fitted):
    """A fit needs two rows; one row is enough to transform."""
    estimator, X = fitted
    one = X[:1] if kind == "array" else torch.tensor(X[:1])
    with Unchanged(estimator, X, r"1 sample"):
        estimator.fit(one)
    assert estimator.transform(one).shape == (1, 2)
    assert estimator.reconstruct(one).shape == tuple(one.shape)


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score", "reconstruction_error", "partial_fit"]
)
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_wrong_number_of_features(method, kind, fitted):
    """The error has the number given, and the number that fit saw."""
    estimator, X = fitted
    d = estimator.n_features_in_
    wrong = np.ones((4, d + 1))
    with Unchanged(estimator, X, rf"{d + 1} features.*{d} features"):
        getattr(estimator, method)(wrong if kind == "array" else torch.tensor(wrong))


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 6, 5, 2), (4, 3, 10), (4, 6, 6), (4, 1, 6, 5)])
@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score", "reconstruction_error", "partial_fit"]
)
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_wrong_image_shape(shape, method, kind):
    """Images of another shape are refused, even with as many pixels; the error has both shapes."""
    estimator = conv().fit(IMAGES)
    wrong = np.ones(shape)
    message = rf"{shape}".replace("(", r"\(").replace(")", r"\)") + r".*\(6, 5\)"
    with Unchanged(estimator, IMAGES, message):
        getattr(estimator, method)(wrong if kind == "array" else torch.tensor(wrong))


def test_image_shape_that_does_not_multiply_to_d():
    """The error has the shape, its product, and the columns of X."""
    estimator = conv().fit(ROWS).set_params(image_shape=(4, 3))
    with Unchanged(estimator, ROWS, r"image_shape=\(4, 3\).*12.*9"):
        estimator.fit(ROWS)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.ones((4, 3)), r"3.*expected 2"),
        (np.ones((4, 1)), r"1.*expected 2"),
        (torch.ones(4, 3), r"3.*expected 2"),
        (np.full((4, 2), np.nan), r"NaN"),
        (np.full((4, 2), np.inf), r"(?i)infinity"),
        (torch.full((4, 2), torch.nan), r"NaN"),
        (np.ones(2), r"(?i)1D|2D"),
        (np.ones((2, 2, 2)), r"(?i)dim 3|2D"),
        (np.ones((0, 2)), r"0 sample"),
        (np.ones((4, 2)) * 1j, r"(?i)complex"),
        ([["a", "b"]], r"Got text in column 0"),
        (scipy.sparse.csr_array(np.ones((4, 2))), r"(?i)sparse"),
    ],
)
def test_bad_codes(codes, message, fitted):
    """inverse_transform refuses codes of another width, or that are no finite real numbers."""
    estimator, X = fitted
    with Unchanged(estimator, X, message):
        estimator.inverse_transform(codes)


BAD_PARAMETERS = [
    ("n_components", 0, r"0\b"),
    ("n_components", -3, r"-3"),
    ("n_components", 0.5, r"0\.5"),
    ("n_components", 2.5, r"2\.5"),
    ("n_components", "mle", r"'mle'.*'auto'|'auto'.*'mle'"),
    ("n_components", None, r"None"),
    (
        "activation",
        "sinus",
        r"(?s)(?=.*'sinus')(?=.*'gelu')(?=.*'relu')(?=.*'silu')(?=.*'tanh')(?=.*'identity')",
    ),
    ("init", "zeros", r"(?s)(?=.*'zeros')(?=.*'auto')(?=.*'random')"),
    ("loss", "mse", r"(?s)(?=.*'mse')(?=.*'squared_error')(?=.*'absolute_error')(?=.*'log_loss')"),
    ("solver", "lion", r"(?s)(?=.*'lion')(?=.*'adamw')(?=.*'adam')(?=.*'rmsprop')(?=.*'sgd')"),
    ("solver", 3, r"\b3\b"),
    ("learning_rate_init", 0, r"\b0\b"),
    ("learning_rate_init", -1e-3, r"-0\.001"),
    ("learning_rate_init", "fast", r"(?s)(?=.*'fast')(?=.*'auto')"),
    ("learning_rate_init", float("nan"), r"nan"),
    ("learning_rate_init", float("inf"), r"inf"),
    ("batch_size", 0, r"\b0\b"),
    ("batch_size", 2.5, r"2\.5"),
    ("batch_size", "all", r"(?s)(?=.*'all')(?=.*'auto')"),
    ("max_iter", 0, r"\b0\b"),
    ("max_iter", 1.5, r"1\.5"),
    ("max_iter", "many", r"(?s)(?=.*'many')(?=.*'auto')"),
    ("early_stopping", "yes", r"'yes'"),
    ("validation_fraction", 0, r"\b0\b"),
    ("validation_fraction", 1.0, r"1\.0"),
    ("warm_start", None, r"None"),
    ("device", "cuda:99", r"device='cuda:99'.*'cpu'"),
    ("device", "fridge", r"device='fridge'.*'cpu'"),
    ("device", 3, r"\b3\b"),
    ("precision", "float8", r"(?s)(?=.*'float8')(?=.*'auto')(?=.*'float32')(?=.*'bfloat16')"),
    ("net_params", [1], r"\[1\]"),
    ("net_params", {"lr": 1}, r"'lr'"),
    ("net_params", {1: 1}, r"the key 1\b.*strings"),
    *[
        ("net_params", {"callbacks": one}, r"callbacks=.*skorch callbacks")
        for one in ("log", 3, [3], [("a",)], {"a": 1}, print)
    ],
    ("solver", print, r"<built-in function print>.*'?adamw'?.*torch\.optim"),
    ("solver", torch.nn.Linear, r"Linear.*'?adamw'?.*torch\.optim"),
    ("random_state", "seed", r"'seed'"),
    ("random_state", -1, r"-1"),
    ("verbose", -1, r"-1"),
]

BAD_DENSE = [
    ("hidden_layer_sizes", "wide", r"(?s)(?=.*'wide')(?=.*'auto')"),
    ("hidden_layer_sizes", (0,), r"hidden_layer_sizes.*\(0,\)|\(0,\).*hidden_layer_sizes"),
    ("hidden_layer_sizes", (8, -1), r"hidden_layer_sizes.*-1|-1.*hidden_layer_sizes"),
    ("hidden_layer_sizes", (8.5,), r"hidden_layer_sizes.*8\.5|8\.5.*hidden_layer_sizes"),
    ("hidden_layer_sizes", ("a",), r"hidden_layer_sizes"),
    ("hidden_layer_sizes", 0, r"hidden_layer_sizes"),
    ("hidden_layer_sizes", None, r"None"),
]

BAD_CONV = [
    ("n_filters", 0, r"\b0\b"),
    ("n_filters", 2.5, r"2\.5"),
    ("n_filters", "many", r"(?s)(?=.*'many')(?=.*'auto')"),
    ("image_shape", (0, 9), r"image_shape=\(0, 9\)"),
    ("image_shape", (2.5, 4), r"image_shape=\(2\.5, 4\)"),
    ("image_shape", (9,), r"image_shape=\(9,\)"),
    ("image_shape", "cube", r"(?s)(?=.*'cube')(?=.*'auto')"),
    ("image_shape", None, r"None"),
    ("channel_axis", 0, r"\b0\b"),
    ("channel_axis", 2, r"\b2\b"),
    ("channel_axis", "last", r"'last'"),
]

ALL_BAD = [
    (make, *bad)
    for make, own in ((dense, BAD_DENSE), (conv, BAD_CONV))
    for bad in BAD_PARAMETERS + own
]


@pytest.mark.parametrize(("make", "name", "value", "message"), ALL_BAD)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_parameters(make, name, value, message, method):
    """A parameter that isn't valid is an error with its name, its value, and what is valid instead."""
    estimator = make().fit(ROWS)
    estimator.set_params(**{name: value})
    with Unchanged(estimator, ROWS, message) as caught:
        getattr(estimator, method)(ROWS)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(30), r"(?i)negative.*weight|weight.*negative"),
        (np.r_[np.ones(29), -1e-9], r"(?i)negative.*weight|weight.*negative"),
        (np.zeros(30), r"(?i)weight.*zero"),
        (np.r_[1, np.zeros(29)], r"(?i)weight"),
        (np.r_[1e300, np.ones(29)], "sample_weight with 1 positive value"),
        (np.ones(29), r"(?i)weight.*\(29,\).*\(30,\)"),
        (np.ones((30, 2)), r"(?i)1D|dimension"),
        (np.r_[np.ones(29), np.nan], r"(?i)NaN"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_weights(weights, message, method, fitted):
    """Weights that are negative, all zero (or but one, or nothing beside one), too few or NaN are refused."""
    estimator, X = fitted
    with Unchanged(estimator, X, message):
        getattr(estimator, method)(X, sample_weight=weights)


@pytest.mark.parametrize("low_high", [(-0.1, 1), (0, 1.5), (0, 255)])
@pytest.mark.parametrize("kind", [np.float64, np.int64, torch.tensor])
@pytest.mark.parametrize("make", [dense, conv])
def test_log_loss_of_other_numbers(make, kind, low_high):
    """The loss for [0, 1] names itself and the range that X has."""
    low, high = low_high
    if kind is np.int64:
        low, high = round(low) - (low < 0), round(high) + (high == 1.5)
    X = low_rank(30, 9, low=low, high=high)
    X = (
        torch.tensor(X)
        if kind is torch.tensor
        else np.rint(X).astype(kind)
        if kind is np.int64
        else X
    )
    estimator = make().fit(ROWS).set_params(loss="log_loss")
    with Unchanged(
        estimator, ROWS, rf"log_loss.*between {float(low)!r} and {float(high)!r}.*\[0, 1\].*uint8"
    ):
        estimator.fit(X)


@pytest.mark.parametrize("make", [dense, conv])
def test_log_loss_takes_zeros_and_ones(make):
    """Numbers in [0, 1] of any dtype, and any uint8, pass."""
    X = (np.median(ROWS) < ROWS).astype(np.int64)
    for one in (X, X.astype(bool), X.astype(np.float32), X.astype(np.uint8) * 255):
        estimator = make(loss="log_loss").fit(one)
        assert (
            0
            <= estimator.reconstruct(one).min()
            <= estimator.reconstruct(one).max()
            <= float(one.max())
        )


@pytest.mark.parametrize(
    ("first", "second"), [(np.int64, np.float64), (np.float32, np.uint8), (np.uint8, np.float64)]
)
@pytest.mark.parametrize("make", [dense, conv])
def test_x_changes_its_type_between_partial_fits(make, first, second):
    """Floats after integers, or integers after floats, are refused with both dtypes."""
    X = low_rank(30, 9, low=0, high=100)
    estimator = make().partial_fit(X.astype(first))
    with Unchanged(
        estimator, X.astype(first), rf"{np.dtype(second)}.*first call got {np.dtype(first)}"
    ):
        estimator.partial_fit(X.astype(second))


@pytest.mark.parametrize(
    ("first", "second"), [(np.float64, np.float32), (np.int64, np.int32), (np.int64, ">i8")]
)
def test_the_same_kind_of_numbers_passes(first, second):
    """Another width or byte order of the same kind of numbers is no other type."""
    X = low_rank(30, 9, low=0, high=100)
    assert dense().partial_fit(X.astype(first)).partial_fit(X.astype(second)).n_iter_ == 2


@pytest.mark.parametrize(
    "method", ["transform", "inverse_transform", "reconstruct", "score", "reconstruction_error"]
)
@pytest.mark.parametrize("make", [dense, conv])
def test_use_before_fit(make, method):
    """Every method but fit says that fit comes first."""
    estimator = make()
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(estimator, method)(ROWS)
    with pytest.raises(NotFittedError):
        estimator.get_feature_names_out()


@pytest.mark.parametrize("make", [dense, conv])
def test_there_is_no_predict(make):
    """What predict would mean isn't clear, so there is none."""
    assert not hasattr(make().fit(ROWS), "predict")


def test_score_of_one_row_is_nan():
    """One row has no variance: a warning, as r2_score has it."""
    with pytest.warns(UserWarning, match="two samples"):
        assert np.isnan(dense().fit(ROWS).score(ROWS[:1]))


def test_parameters_are_keywords_but_for_the_first():
    """Only n_components may be given by position."""
    assert dense().set_params(n_components=2).n_components == DenseAutoencoder(2).n_components
    for class_ in (DenseAutoencoder, ConvAutoencoder):
        with pytest.raises(TypeError, match="positional"):
            class_(2, 3)


def test_an_optimizer_that_needs_a_closure():
    """An optimizer that evaluates the loss several times a step, as LBFGS does, is refused by name."""
    with pytest.raises(ValueError, match="solver=LBFGS"):
        DenseAutoencoder(2, solver=torch.optim.LBFGS).fit(
            np.random.default_rng(0).normal(size=(30, 5))
        )


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_one_image_is_told_from_several(shape):
    """A single image where several are expected gives an error that says how to make one of it."""
    estimator = conv().fit(np.random.default_rng(0).uniform(size=(20, *shape)))
    with pytest.raises(ValueError, match="which is one image, but expected several"):
        estimator.transform(np.zeros(shape))


@pytest.mark.parametrize("make", [dense, conv])
@pytest.mark.parametrize("allow_nan", [False, True])
@pytest.mark.parametrize(
    ("corrupted", "found"),
    [
        (lambda x: x[..., :2], r"a tensor of shape \(.*, 2\) and dtype float32"),
        (lambda x: x.double(), r"a tensor of shape \(.*\) and dtype float64"),
        (lambda x: x.numpy(), "ndarray"),
        (lambda x: None, "NoneType"),
    ],
)
def test_damage_that_is_no_damaged_row_says_so(make, allow_nan, corrupted, found):
    """A corruption that makes anything but a tensor like the one it was given is named in the error."""
    estimator = make(allow_nan=allow_nan, corruption=lambda x, generator: corrupted(x))
    with pytest.raises(
        ValueError, match=f"Got a corruption that makes {found}, but expected a tensor of shape"
    ):
        estimator.fit(ROWS)


@pytest.mark.parametrize(("allow_nan", "value"), [(False, np.nan), (False, np.inf), (True, np.inf)])
def test_damage_without_finite_numbers_says_so(allow_nan, value):
    """A corruption that makes NaN or infinity is named in the error, and not the learning rate; NaN may be a gap."""
    estimator = dense(
        allow_nan=allow_nan, corruption=lambda x, generator: torch.full_like(x, value)
    )
    with pytest.raises(
        ValueError, match=r"Got a corruption that makes .*infinity, but expected finite numbers"
    ):
        estimator.fit(ROWS)


def test_damage_may_make_gaps():
    """With allow_nan, a corruption of the user's may leave gaps."""

    def hide(x, generator):
        return x.masked_fill(torch.rand(x.shape, generator=generator) < 0.2, torch.nan)

    assert np.isfinite(dense(allow_nan=True, corruption=hide).fit(ROWS).loss_curve_).all()


@pytest.mark.parametrize("level", [(0.1, 0.3), [0.1, 0.3]])
def test_a_pair_of_levels_is_a_tuple_or_a_list(level):
    """Both kinds of pair are the same."""
    codes = [
        dense(corruption=Gaussian(one)).fit(ROWS).transform(ROWS) for one in (level, (0.1, 0.3))
    ]
    np.testing.assert_array_equal(*codes)


def test_a_solver_may_bring_settings():
    """A ``functools.partial`` of an optimizer's class is as good as the class."""
    given = {"betas": (0.85, 0.98), "weight_decay": 0.0, "fused": True}
    codes = [
        dense(solver=solver).fit(ROWS).transform(ROWS)
        for solver in ("adamw", functools.partial(torch.optim.AdamW, **given))
    ]
    np.testing.assert_array_equal(*codes)


@pytest.mark.parametrize(("value", "told"), [(np.nan, True), (np.inf, False)])
def test_nan_says_what_allows_it(value, told):
    """NaN that isn't allowed gives an error with the parameter that allows it; infinity, which nothing allows, doesn't."""
    with pytest.raises(ValueError, match="Input X contains") as caught:
        dense().fit(spoiled(ROWS, value))
    assert ("allow_nan=True" in str(caught.value)) is told


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_components": 2**62},
        {"n_components": 2**70},
        {"hidden_layer_sizes": 2**62},
        {"hidden_layer_sizes": (3, 2**70)},
        {"bottleneck": Quantized(2**62)},
    ],
    ids=str,
)
def test_sizes_beyond_the_memory_are_value_errors(parameters):
    """A network of more bytes than memory is refused, with the names of its sizes."""
    model = DenseAutoencoder(**{"n_components": 2, "max_iter": 1, **parameters})
    with pytest.raises(ValueError, match=r"too large for the memory.*Decrease n_components"):
        model.fit(np.random.default_rng(0).normal(size=(24, 4)))
    assert not hasattr(model, "net_")


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"solver": torch.optim.SparseAdam}, ValueError, "SparseAdam failed.*Set solver"),
        (
            {"solver": functools.partial(torch.optim.SGD, unknown=1)},
            TypeError,
            r"optimizer SGD refuses its parameters: .*unknown.*Check solver",
        ),
        (
            {"net_params": {"optimizer__weight_decay": float("nan")}},
            ValueError,
            r"optimizer AdamW refuses its parameters: .*weight_decay.*net_params",
        ),
        ({"net_params": {"optimizer__weight_decay": "x"}}, TypeError, "AdamW refuses its param"),
        ({"net_params": {"compile": "x"}}, ValueError, "compile='x', but expected True or False"),
    ],
    ids=str,
)
def test_errors_of_optimizers_name_the_parameter(parameters, error, message):
    """An error of an optimizer names its class, and the parameters of the estimator."""
    model = DenseAutoencoder(2, max_iter=1, random_state=0, **parameters)
    with pytest.raises(error, match=message):
        model.fit(np.random.default_rng(0).normal(size=(24, 4)))


def test_a_checkpoint_dir_with_a_null_character_is_named():
    """The error names the parameter."""
    model = DenseAutoencoder(2, max_iter=1, random_state=0, checkpoint_dir="\0")
    with pytest.raises(ValueError, match=r"checkpoint_dir='\\x00'.*null"):
        model.fit(np.random.default_rng(0).normal(size=(24, 4)))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e15, 1e36])
@pytest.mark.parametrize("bottleneck", ["deterministic", "variational"])
def test_latent_vectors_beyond_float32_are_refused(scale, bottleneck):
    """A reconstruction is finite, or the latent vector is refused."""
    X = scale * ROWS
    model = dense(bottleneck=bottleneck).fit(X)
    Z = model.transform(X)
    assert np.isfinite(model.inverse_transform(Z)).all()
    if scale <= 1e15:
        assert np.isfinite(model.inverse_transform(1e5 * Z)).all()
    if scale < 1 and bottleneck == "deterministic":
        with pytest.raises(ValueError, match=r"latent vectors so large .* units of transform"):
            model.inverse_transform(np.full((2, 2), 1e37))
    values = 10.0 ** np.arange(-40, 38)
    for value in values:
        try:
            result = model.inverse_transform(np.full((1, 2), value))
        except ValueError:
            continue
        assert np.isfinite(result).all()


@pytest.mark.parametrize("learning_rate", [1e20, 1e300])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_weights_that_diverge_in_the_last_step_are_an_error(learning_rate, method):
    """The last step has no loss after it; its weights are checked, and earlier ones are kept."""
    model = dense(learning_rate_init=learning_rate, batch_size=100)
    with pytest.raises(ValueError, match="learning_rate_init"):
        getattr(model, method)(ROWS)
    assert np.isfinite(model.reconstruct(ROWS)).all()


@pytest.mark.parametrize(("make", "X"), [(dense, ROWS), (conv, IMAGES)])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_warm_start_needs_two_samples(make, X, early_stopping):
    """A single sample is refused by fit also if the fit is resumed, and the state stays."""
    model = make(warm_start=True, early_stopping=early_stopping).fit(X)
    expected = model.transform(X)
    with pytest.raises(ValueError, match=r"1 sample.*minimum of 2.*Call partial_fit"):
        model.fit(X[:1])
    np.testing.assert_array_equal(model.transform(X), expected)
    model.partial_fit(X[:1])
