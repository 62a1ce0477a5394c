"""Array-likes of every kind: each keeps its meaning in every method, or is refused by name."""

import datetime
import decimal
import fractions

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.sparse import coo_array
from sklearn.mixture import GaussianMixture
from torch.masked import masked_tensor

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)
from skae._input.array_likes import as_plain
from skae._input.streaming import StreamedRows, stream_if_large
from skae._input.validation import check_rows

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=1:sklearn.exceptions.ConvergenceWarning")

N = 24
TABLE = np.arange(4.0 * N).reshape(N, 4) % 7 * np.array([1.0, 2, 3, 4])
"""Whole numbers, so that all dtypes hold them."""

IMAGES = (np.arange(N * 36).reshape(N, 6, 6) * 37 % 101).astype(np.float64)


class Quantity(np.ndarray):
    """An array with a unit, as those of astropy and unyt."""

    unit = "km"


class Meter:
    """A unit as an object."""

    def __str__(self):
        return "meter"


class Wrapped:
    """An array with a unit, as those of pint: not a subclass of ndarray."""

    units = Meter()

    def __init__(self, values):
        self.values = values
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return Wrapped(self.values[index])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


class OnlyArray:
    """An object with ``__array__`` alone."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def objects(values):
    """Return a 1D array of objects, each of them an array."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def with_cell(value, container=np.array):
    """Return the table as objects, with one other value in column 2, row 3."""
    cells = TABLE.astype(object)
    cells[3, 2] = value
    if container is list:
        return cells.tolist()
    if container is pd.DataFrame:
        return pd.DataFrame(cells, columns=["a", "b", "c", "d"])
    return cells


def frame(**columns):
    """Return the table as a DataFrame of pandas, with some other columns."""
    return pd.DataFrame(dict(zip("abcd", TABLE.T, strict=True))).assign(**columns)


def polars_frame(*columns):
    """Return the table as a DataFrame of polars, with some other columns."""
    return pl.DataFrame(dict(zip("abcd", TABLE.T, strict=True))).with_columns(*columns)


def masked(*, is_masked=False):
    """Return the table as a masked array, with or without a masked value."""
    mask = np.zeros(TABLE.shape, bool)
    mask[3, 2] = is_masked
    return np.ma.MaskedArray(TABLE.copy(), mask)


def negative_view(values):
    """Return a tensor that torch has marked as negated, and not computed."""
    negated = torch.tensor(-1j * values).conj().imag
    assert negated.is_neg()
    return negated


def read_only(values):
    """Return an array that can't be written."""
    values = values.copy()
    values.flags.writeable = False
    return values


INTEGERS = TABLE.astype(np.int64)

TORCH_DTYPES = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e4m3fnuz"]
TORCH_DTYPES += ["int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]

EQUAL = {
    "float16": lambda: TABLE.astype(np.float16),
    "longdouble": lambda: TABLE.astype(np.longdouble),
    "big-endian": lambda: TABLE.astype(">f8"),
    "big-endian integers": lambda: TABLE.astype(">i4"),
    **{
        f"numpy {kind}": lambda kind=kind: TABLE.astype(kind)
        for kind in ["i1", "i2", "i4", "i8", "u2", "u4", "u8", "f4"]
    },
    "fortran": lambda: np.asfortranarray(TABLE),
    "reversed": lambda: TABLE[::-1].copy()[::-1],
    "read-only": lambda: read_only(TABLE),
    "masked array without a mask": masked,
    "lists": TABLE.tolist,
    "tuples": lambda: tuple(map(tuple, TABLE.tolist())),
    "list of arrays": lambda: list(TABLE),
    "list of tensors": lambda: [torch.tensor(row) for row in TABLE],
    "list of lists of tensors": lambda: [[torch.tensor(v) for v in row] for row in TABLE],
    "list of masked arrays": lambda: list(masked()),
    "list of Series of polars": lambda: [pl.Series(row).cast(pl.Int128) for row in TABLE],
    "list of Series": lambda: [row for _, row in frame().iterrows()],
    "objects": lambda: TABLE.astype(object),
    "objects of decimals": lambda: np.vectorize(decimal.Decimal, otypes=[object])(TABLE),
    "objects of fractions": lambda: np.vectorize(fractions.Fraction, otypes=[object])(TABLE),
    "lists of decimals": lambda: [[decimal.Decimal(v) for v in row] for row in TABLE],
    "array of rows": lambda: objects(TABLE),
    "__array__ alone": lambda: OnlyArray(TABLE),
    "memoryview": lambda: memoryview(TABLE),
    "pandas": frame,
    "pandas nullable": lambda: frame().convert_dtypes(dtype_backend="numpy_nullable"),
    "pandas Float32": lambda: frame(b=pd.array(TABLE[:, 1], dtype="Float32")),
    "pandas Sparse": lambda: frame(b=pd.arrays.SparseArray(TABLE[:, 1], fill_value=0)),
    "pandas objects": lambda: frame().astype(object),
    "polars": polars_frame,
    "polars integers": lambda: pl.DataFrame(INTEGERS, schema=list("abcd"), orient="row"),
    "polars decimal": lambda: polars_frame(pl.col("b").cast(pl.Decimal(10, 2))),
    "polars Int128": lambda: polars_frame(pl.col("b").cast(pl.Int128)),
    **{
        f"torch {kind}": lambda kind=kind: torch.tensor(TABLE).to(getattr(torch, kind))
        for kind in TORCH_DTYPES
    },
    "torch quantized": lambda: torch.quantize_per_tensor(
        torch.tensor(TABLE).float(), 1, 0, torch.quint8
    ),
    "torch with gradients": lambda: torch.tensor(TABLE, requires_grad=True),
    "torch Parameter": lambda: torch.nn.Parameter(torch.tensor(TABLE)),
    "torch masked without a mask": lambda: masked_tensor(
        torch.tensor(TABLE), torch.ones(TABLE.shape, dtype=torch.bool)
    ),
    "torch not contiguous": lambda: torch.tensor(TABLE.T.copy()).T,
    "torch negative view": lambda: negative_view(TABLE),
}
"""Kinds that are equal to a plain array."""

MISSING = {
    "masked array": lambda: masked(is_masked=True),
    "list of masked arrays": lambda: list(masked(is_masked=True)),
    "masked constant in lists": lambda: with_cell(np.ma.masked, list),
    "masked objects": lambda: masked(is_masked=True).astype(object),
    "masked integers": lambda: masked(is_masked=True).astype(int),
    "None in objects": lambda: with_cell(None),
    "None in lists": lambda: with_cell(None, list),
    "NaN in lists": lambda: with_cell(float("nan"), list),
    "NA in objects": lambda: with_cell(pd.NA),
    "NA in a DataFrame": lambda: with_cell(pd.NA, pd.DataFrame),
    "pandas nullable": lambda: with_cell(None, pd.DataFrame).convert_dtypes(
        dtype_backend="numpy_nullable"
    ),
    "pandas Sparse": lambda: with_cell(np.nan, pd.DataFrame).astype(float).astype("Sparse[float]"),
    "polars null": lambda: pl.DataFrame(with_cell(None, list), schema=list("abcd"), orient="row"),
    "polars decimal null": lambda: pl.DataFrame(
        with_cell(None, list), schema=list("abcd"), orient="row"
    ).with_columns(pl.col("c").cast(pl.Decimal(10, 2))),
    "torch masked": lambda: masked_tensor(
        torch.tensor(TABLE), torch.tensor(~np.ma.getmaskarray(masked(is_masked=True)))
    ),
}
"""Kinds with a missing value in column 2, row 3."""

DAY = datetime.date(2020, 1, 1)
DAYS = pd.date_range("2020-01-01", periods=N, freq="D")

REFUSED = {
    "text": (lambda: with_cell("Rome"), "text in column 2, row 3 .*'Rome'.*ColumnTransformer"),
    "text in lists": (lambda: with_cell("Rome", list), "text in column 2, row 3"),
    "numbers as text": (lambda: TABLE.astype(str), "text of X .dtype <U.*ColumnTransformer"),
    "StringDType": (lambda: TABLE.astype(np.dtypes.StringDType()), "text of X"),
    "bytes": (lambda: TABLE.astype("S"), "text of X"),
    "dates": (lambda: TABLE.astype("M8[D]"), "dates of X .dtype datetime64"),
    "durations": (lambda: TABLE.astype("m8[s]"), "durations of X .dtype timedelta64"),
    "date in objects": (lambda: with_cell(DAY), "dates in column 2, row 3"),
    "NaT in objects": (lambda: with_cell(pd.NaT), "dates in column 2, row 3"),
    "datetime64 in objects": (lambda: with_cell(np.datetime64("2020")), "dates in column 2"),
    "timedelta in lists": (lambda: with_cell(datetime.timedelta(1), list), "durations in column 2"),
    "timedelta64 in objects": (lambda: with_cell(np.timedelta64(1, "s")), "durations in column 2"),
    "complex": (lambda: TABLE * 1j, "Complex data not supported.*complex128"),
    "complex in objects": (lambda: with_cell(1j), "complex numbers in column 2"),
    "structured": (lambda: np.zeros(N, [("a", float)]), "fields of X.*structured_to_unstructured"),
    "record array": (
        lambda: np.rec.array([(1.0, 2.0)], dtype=[("a", float), ("b", float)]),
        "fields of X.*structured_to_unstructured",
    ),
    "Series of text": (lambda: pd.Series(["a", "b"]), "text at index 0 of X"),
    "integer beyond float64": (
        lambda: with_cell(10**400),
        "number above 1.8e308 in column 2, row 3 of X.*Scale the data",
    ),
    "integer beyond float64 in lists": (
        lambda: with_cell(-(10**400), list),
        "number above 1.8e308 in column 2, row 3 of X",
    ),
    "dict in objects": (lambda: with_cell({"a": 1}), "Got dict in column 2, row 3"),
    "array in objects": (
        lambda: with_cell(np.ones(3)),
        r"numpy.ndarray in column 2, row 3.*one column",
    ),
    "unit": (lambda: TABLE.view(Quantity), r"units of 'km' .*X\.value"),
    "unit of a wrapper": (lambda: Wrapped(TABLE), r"units of 'meter' .*X\.magnitude"),
    "unit in lists": (lambda: list(TABLE.view(Quantity)), "at index 0 in units of 'km'"),
    "rows of two lengths": (lambda: [[1.0, 2], [3.0]], r"\(2,\) and \(1,\) in X, at index 0 and 1"),
    "generator": (lambda: (row for row in TABLE), r"generator.*np.stack\(list\(X\)\)"),
    "iterator": (lambda: iter(TABLE), "iterator"),
    "map": (lambda: map(list, TABLE), "as a map"),
    "dict": (lambda: {"a": [1, 2]}, "as a dict.*DataFrame"),
    "set": (lambda: {1, 2}, "as a set"),
    "None": (lambda: None, "type NoneType"),
    "object": (object, "type object"),
    "string": (lambda: "data.csv", "Got 'data.csv' as X"),
    "pandas text": (lambda: frame(c=["x"] * N), r"text in column 2 \('c'\) of X.*OneHotEncoder"),
    "pandas text as objects": (
        lambda: with_cell("Rome", pd.DataFrame),
        r"text in column 2 \('c'\) of X, such as 'Rome'",
    ),
    "pandas categories": (
        lambda: frame(c=pd.Categorical(range(N))),
        r"categories in column 2 \('c'\).*ColumnTransformer",
    ),
    "pandas dates": (lambda: frame(c=DAYS), r"dates in column 2 \('c'\).*datetime64"),
    "pandas time zones": (lambda: frame(c=DAYS.tz_localize("UTC")), r"dates in .*'c'.*UTC"),
    "pandas durations": (lambda: frame(c=DAYS - DAYS[0]), r"durations in column 2 \('c'\)"),
    "pandas periods": (lambda: frame(c=DAYS.to_period()), r"dates in column 2 \('c'\).*period"),
    "pandas intervals": (
        lambda: frame(c=pd.interval_range(0, N)),
        r"intervals in column 2 \('c'\).*midpoints",
    ),
    "pandas complex": (lambda: frame(c=1j * TABLE[:, 0]), r"complex numbers in column 2 \('c'\)"),
    "polars text": (lambda: polars_frame(pl.lit("x").alias("c")), r"text in column 2 \('c'\)"),
    "polars dates": (lambda: polars_frame(pl.lit(DAY).alias("c")), r"dates in column 2 \('c'\)"),
    "polars durations": (
        lambda: polars_frame(pl.lit(datetime.timedelta(1)).alias("c")),
        r"durations in column 2 \('c'\)",
    ),
    "polars enum": (
        lambda: polars_frame(pl.lit("x").cast(pl.Enum(["x"])).alias("c")),
        r"categories in column 2 \('c'\)",
    ),
    "polars categories": (
        lambda: polars_frame(pl.lit("x").cast(pl.Categorical).alias("c")),
        r"categories in column 2 \('c'\)",
    ),
    "polars struct": (
        lambda: polars_frame(pl.struct("a", "b").alias("c")),
        r"nested values in column 2 \('c'\) of X .dtype Struct",
    ),
    "polars list": (
        lambda: polars_frame(pl.concat_list("a", "b").alias("c")),
        r"nested values in column 2 \('c'\)",
    ),
    "polars lazy": (lambda: polars_frame().lazy(), r"LazyFrame.*X\.collect\(\)"),
    "torch complex": (lambda: torch.tensor(TABLE * 1j), "Complex data not supported.*complex128"),
    "torch conjugate": (lambda: torch.tensor(TABLE * 1j).conj(), "Complex data not supported"),
    "torch COO": (lambda: torch.tensor(TABLE).to_sparse(), r"sparse_coo.*to_dense\(\)"),
    "torch CSR": (lambda: torch.tensor(TABLE).to_sparse_csr(), r"sparse_csr.*to_dense\(\)"),
    "torch nested": (
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "nested tensor.*to_padded_tensor",
    ),
    "torch jagged": (
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
        "nested tensor.*to_padded_tensor",
    ),
    "torch meta": (lambda: torch.zeros(N, 4, device="meta"), r"\(24, 4\).*'meta'.*no data"),
    "torch float4": (
        lambda: torch.zeros(N, 4, dtype=torch.float4_e2m1fn_x2),
        "float4_e2m1fn_x2.*can't compute",
    ),
    "torch bits": (lambda: torch.zeros(N, 4, dtype=torch.uint8).view(torch.bits8), "torch.bits8"),
    "torch dataset": (
        lambda: torch.utils.data.TensorDataset(torch.tensor(TABLE)),
        r"TensorDataset.*from_torch",
    ),
}
"""Kinds that are refused, with a part of the message."""

WITH_CATEGORIES = [
    "pandas text",
    "pandas categories",
    "polars text",
    "polars enum",
    "polars categories",
]
"""Kinds of `REFUSED` that a fit accepts, unless it needs images or a step of quantization."""


@pytest.fixture(scope="module", params=["dense", "conv", "detector", "sampler", "codec"])
def fitted(request):
    """Return an estimator that was fitted to the table, its class, and its methods of X."""
    dense = DenseAutoencoder(2, max_iter=1, hidden_layer_sizes=4, random_state=0)
    conv = ConvAutoencoder(2, image_shape=(2, 2), max_iter=1, n_filters=2, random_state=0)
    methods = ["transform", "reconstruct", "reconstruction_error", "score"]
    estimator = {
        "dense": dense,
        "conv": conv,
        "detector": ReconstructionDetector(dense, cross_fit=False, random_state=0),
        "sampler": LatentSampler(
            dense, density=GaussianMixture(reg_covar=0.1, random_state=0), random_state=0
        ),
        "codec": LatentCodec(dense, context=False, step=1.0, random_state=0),
    }[request.param]
    methods = {
        "detector": ["score_samples", "predict", "error_map", "p_values"],
        "sampler": ["score_samples"],
        "codec": ["compress", "code_lengths"],
    }.get(request.param, methods)
    return estimator.fit(TABLE), methods


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
def test_kinds_that_are_equal_to_an_array(fitted, name):
    """Every method has the result of a plain array, whatever kind of array-like X is."""
    estimator, methods = fitted
    for method in methods:
        expected = getattr(estimator, method)(TABLE)
        result = getattr(estimator, method)(EQUAL[name]())
        if isinstance(expected, bytes):
            assert result == expected
        else:
            assert np.shape(result) == np.shape(expected)
            assert_allclose(np.asarray(result), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
def test_kinds_that_are_refused(fitted, name):
    """Every method, and fit, raises an error that names the kind and its column."""
    estimator, methods = fitted
    make, message = REFUSED[name]
    accepts_categories = not isinstance(estimator, (ConvAutoencoder, LatentCodec))
    if name not in WITH_CATEGORIES or not accepts_categories:
        methods = [*methods, "fit"]
    for method in methods:
        with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
            getattr(estimator, method)(make())


@pytest.mark.parametrize("name", MISSING)
def test_missing_values_of_every_kind_are_nan(name):
    """Masked values, None, NA and null are NaN with allow_nan, and otherwise named by column."""
    expected = TABLE.copy()
    expected[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"NaN in column 2.*row 3.*allow_nan=True"):
        check_rows(DenseAutoencoder(), MISSING[name](), reset=True)
    rows = check_rows(DenseAutoencoder(allow_nan=True), MISSING[name](), reset=True)
    assert_array_equal(np.asarray(rows, dtype=float), expected)


def test_missing_values_are_named_by_the_column_of_a_data_frame():
    """Tables of pandas and polars have names of columns in the message."""
    for name in ("pandas nullable", "polars null"):
        with pytest.raises(ValueError, match=r"column 2 \('c'\), row 3"):
            DenseAutoencoder().fit(MISSING[name]())


@pytest.mark.parametrize("value", [True, False])
def test_booleans(value):
    """Booleans are the numbers 0 and 1 in arrays, tensors, lists, pandas and polars."""
    X = np.arange(N * 2).reshape(N, 2) % 3 == 0
    if value:
        X = ~X
    kinds = [X, torch.tensor(X), X.tolist(), X.astype(object), pd.DataFrame(X)]
    kinds += [pd.DataFrame(X).astype("boolean"), pl.DataFrame(X), np.ma.MaskedArray(X)]
    for kind in kinds:
        rows = check_rows(DenseAutoencoder(), kind, reset=True)
        assert_array_equal(np.asarray(rows, dtype=float), X)


def test_booleans_among_other_columns():
    """Booleans and numbers are columns of one table, also with missing values."""
    expected = TABLE.copy()
    expected[:, 1] = np.arange(N) % 2
    flags = expected[:, 1] == 1
    for X in (frame(b=flags), polars_frame(pl.Series("b", flags))):
        assert_array_equal(check_rows(DenseAutoencoder(), X, reset=True), expected)
    X = polars_frame(pl.Series("b", [None, *flags[1:].tolist()]))
    expected[0, 1] = np.nan
    assert_array_equal(check_rows(DenseAutoencoder(allow_nan=True), X, reset=True), expected)


def test_dtypes_without_a_counterpart_in_numpy():
    """float8 and quantized tensors are the numbers that they stand for."""
    X = torch.tensor([[0.5, 2.0], [-4.0, 16.0]])
    for dtype in (torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e4m3fn):
        assert_array_equal(as_plain(X.to(dtype)), X)
    assert_array_equal(as_plain(torch.quantize_per_tensor(X, 0.5, 0, torch.qint32)), X)
    large = np.array([[2**63 + 2**20, 1]], dtype=np.uint64)
    assert_array_equal(as_plain(torch.from_numpy(large)), large.astype(float))


def test_a_table_in_float32_keeps_it():
    """A column with missing values does not make float32 wider."""
    X = frame().astype("Float32")
    X.iloc[3, 2] = pd.NA
    assert check_rows(DenseAutoencoder(allow_nan=True), X, reset=True).dtype == np.float32


def test_masked_uint8_without_a_mask_remains_uint8():
    """Units of uint8 are kept."""
    assert as_plain(np.ma.MaskedArray(TABLE.astype("u1"))).dtype == np.uint8


@pytest.mark.parametrize(
    "value", [None, 3, (), [], np.empty((0, 4)), torch.empty(0, 4), [[]], pd.DataFrame()]
)
def test_empty_and_scalar_values(value):
    """Values without rows are errors of one sentence."""
    with pytest.raises((ValueError, TypeError), match=r"sample|2D array|NoneType|feature"):
        DenseAutoencoder().fit(value)


def test_units_as_labels_of_a_variable_on_disk():
    """Variables of netCDF have a name of a unit, and slices without it."""

    class Variable:
        units = "K"
        shape, ndim, dtype = TABLE.shape, 2, TABLE.dtype

        def __getitem__(self, rows):
            return TABLE[rows]

    assert_array_equal(stream_if_large(Variable()), TABLE)


def test_masked_values_of_streamed_rows():
    """Slices with a mask have NaN, which integers do not have."""
    rows = StreamedRows(masked(is_masked=True))
    assert np.isnan(rows[0:5][3, 2])
    assert np.isnan(rows[0:5]).sum() == 1
    with pytest.raises(ValueError, match="masked values in rows 0 to 4 of X of dtype int64"):
        StreamedRows(masked(is_masked=True).astype(int))[0:5]


@pytest.mark.parametrize(
    "make",
    [
        lambda w: torch.tensor(w, requires_grad=True),
        lambda w: torch.tensor(w).bfloat16(),
        pd.Series,
        pl.Series,
        list,
        lambda w: np.ma.MaskedArray(w, w < 0),
    ],
)
def test_kinds_of_sample_weights(make):
    """Weights of every kind are those of an array."""
    weights = np.arange(N) % 3 + 1.0
    autoencoder = DenseAutoencoder(2, max_iter=1, hidden_layer_sizes=4, random_state=0)
    expected = autoencoder.fit(TABLE, sample_weight=weights).transform(TABLE)
    result = autoencoder.fit(TABLE, sample_weight=make(weights)).transform(TABLE)
    assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("weight", "message"), [(10**400, "number above 1.8e308"), (1j, "Complex data not supported")]
)
def test_numbers_that_are_no_sample_weight(weight, message):
    """A number for all rows is a real number that float64 holds."""
    autoencoder = DenseAutoencoder(2, max_iter=1, hidden_layer_sizes=4, random_state=0)
    with pytest.raises(ValueError, match=f"{message}.*sample_weight"):
        autoencoder.fit(TABLE, sample_weight=weight)


# ------------------------------------------------------------------------------------- images


def pictures():
    """Return the images as images of PIL."""
    return [Image.fromarray(image.astype(np.uint8)) for image in IMAGES]


STACKS = {
    "list": lambda: list(IMAGES),
    "tuple": lambda: tuple(IMAGES),
    "objects": lambda: objects(IMAGES),
    "Series": lambda: pd.Series(list(IMAGES)),
    "lists": IMAGES.tolist,
    "tensors": lambda: [torch.tensor(image) for image in IMAGES],
    "PIL": pictures,
    "objects of tensors": lambda: objects([torch.tensor(image) for image in IMAGES]),
    "masked arrays": lambda: [np.ma.MaskedArray(image) for image in IMAGES],
    "tensor of uint16": lambda: torch.tensor(IMAGES).to(torch.uint16),
    "negative view": lambda: negative_view(IMAGES),
    "memoryview": lambda: memoryview(IMAGES),
}
"""Collections of images of one shape."""

OTHER = np.zeros((5, 6))

REFUSED_STACKS = {
    "shapes": (lambda: [*IMAGES, OTHER], r"\(6, 6\) and \(5, 6\).*ImageFolder\(folder, size"),
    "shapes of objects": (
        lambda: objects([*IMAGES, OTHER]),
        r"\(6, 6\) and \(5, 6\).*ImageFolder\(folder, size",
    ),
    "shapes of tensors": (
        lambda: [torch.tensor(image) for image in (*IMAGES, OTHER)],
        r"\(6, 6\) and \(5, 6\).*ImageFolder\(folder, size",
    ),
    "shapes of lists": (
        lambda: [IMAGES[0].tolist(), OTHER.tolist()],
        r"\(6, 6\) and \(5, 6\).*ImageFolder\(folder, size",
    ),
    "generator": (lambda: (image for image in IMAGES), "generator"),
    "palette": (lambda: [image.convert("P") for image in pictures()], "mode 'P'.*convert"),
    "text": (lambda: [[["a", "b"], ["c", "d"]]], r"text at index \(0, 0, 0\)"),
    "units": (lambda: IMAGES.view(Quantity), "units of 'km'"),
    "units of one": (lambda: [IMAGES[0].view(Quantity)] * 2, "units of 'km'"),
    "complex": (lambda: IMAGES * 1j, "Complex data not supported"),
    "dates": (lambda: IMAGES.astype("M8[D]"), "dates of X"),
    "sparse": (lambda: torch.tensor(IMAGES).to_sparse(), r"sparse_coo.*to_dense"),
    "sparse array": (lambda: coo_array(IMAGES), r"sparse array of shape.*X\.toarray\(\)"),
    "meta": (lambda: torch.zeros(N, 6, 6, device="meta"), "'meta'.*no data"),
}
"""Collections of images that are refused, with a part of the message."""


@pytest.fixture(scope="module", params=["conv", "detector", "sampler", "codec", "restorer"])
def fitted_to_images(request):
    """Return an estimator that was fitted to images, and its methods."""
    conv = ConvAutoencoder(2, max_iter=1, n_filters=2, random_state=0)
    estimators = {
        "conv": (conv, ["transform", "reconstruct", "reconstruction_error", "score"]),
        "detector": (
            ReconstructionDetector(conv, cross_fit=False, random_state=0),
            ["score_samples", "error_map"],
        ),
        "sampler": (
            LatentSampler(
                conv, density=GaussianMixture(reg_covar=0.1, random_state=0), random_state=0
            ),
            ["score_samples"],
        ),
        "codec": (LatentCodec(conv, context=False, step=1.0, random_state=0), ["compress"]),
        "restorer": (ImageRestorer(n_filters=2, max_iter=1, random_state=0), ["predict"]),
    }
    estimator, methods = estimators[request.param]
    return estimator.fit(IMAGES), methods


@pytest.mark.parametrize("name", STACKS)
def test_collections_of_images_are_stacked(fitted_to_images, name):
    """Every method has the result of an array of images."""
    estimator, methods = fitted_to_images
    for method in methods:
        expected = getattr(estimator, method)(IMAGES)
        result = getattr(estimator, method)(STACKS[name]())
        if isinstance(expected, bytes):
            assert result == expected
        else:
            assert np.shape(result) == np.shape(expected)
            assert_allclose(np.asarray(result), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", REFUSED_STACKS)
def test_collections_of_images_that_are_refused(fitted_to_images, name):
    """Every method, and fit, refuses images that are no array of numbers."""
    estimator, methods = fitted_to_images
    make, message = REFUSED_STACKS[name]
    accepts_categories = not isinstance(estimator, (ConvAutoencoder, LatentCodec))
    if name not in WITH_CATEGORIES or not accepts_categories:
        methods = [*methods, "fit"]
    for method in methods:
        with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
            getattr(estimator, method)(make())


@pytest.mark.parametrize("name", ["objects", "tensors", "PIL"])
def test_fit_on_collections_of_images(name):
    """Results do not depend on the container of images."""
    kinds = [np.asarray(as_plain(STACKS[name]())), STACKS[name]()]
    first, second = (
        ConvAutoencoder(2, max_iter=1, n_filters=2, random_state=0).fit_transform(X) for X in kinds
    )
    assert_array_equal(first, second)


def test_one_picture_is_not_a_table():
    """A single image of PIL is refused, since its rows are not samples."""
    with pytest.raises(ValueError, match=r"one image of PIL.*Pass a list"):
        ConvAutoencoder().fit(pictures()[0])


def test_codec_of_images_of_any_size():
    """With tiles, images of tensors, PIL and arrays may differ in size; masks and units are seen."""
    codec = LatentCodec(
        ConvAutoencoder(2, max_iter=1, n_filters=2, random_state=0),
        tile=4,
        context=False,
        step=1.0,
        random_state=0,
    ).fit([*IMAGES, OTHER])
    message = codec.compress([IMAGES[0], OTHER])
    assert message == codec.compress([torch.tensor(IMAGES[0]), OTHER.tolist()])
    assert message == codec.compress([pictures()[0], np.ma.MaskedArray(OTHER)])
    with pytest.raises(ValueError, match="at index 1 in units of 'km'"):
        codec.compress([OTHER, OTHER.view(Quantity)])
    with pytest.raises(ValueError, match="NaN or infinity in the image at 0"):
        codec.compress([np.ma.masked_equal(IMAGES[0], IMAGES[0, 0, 0])])


@pytest.mark.parametrize("dtype", ["uint16", "uint8", "float32"])
def test_dtype_of_decompressed_tensors(dtype):
    """The codec returns the dtype of fit, also of tensors."""
    X = torch.tensor(TABLE).to(getattr(torch, dtype))
    autoencoder = DenseAutoencoder(2, max_iter=1, hidden_layer_sizes=4, random_state=0)
    codec = LatentCodec(autoencoder, context=False, step=1.0, random_state=0).fit(X)
    assert codec.decompress(codec.compress(X)).dtype == np.dtype(dtype)


# ------------------------------------------------------------------------------ names of columns


@pytest.mark.parametrize("method", ["transform", "reconstruct", "reconstruction_error", "score"])
@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_names_of_other_tables(method, package):
    """Columns in another order, and other names, are errors of scikit-learn in every method."""
    make = {"pandas": frame, "polars": polars_frame}[package]
    autoencoder = DenseAutoencoder(2, max_iter=1, hidden_layer_sizes=4, random_state=0).fit(make())
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        getattr(autoencoder, method)(make()[list("badc")])
    with pytest.raises(ValueError, match=r"(?s)feature names should match.*unseen"):
        getattr(autoencoder, method)(make().rename(**_renaming(package)))


def _renaming(package):
    """Return the arguments of `rename` that give the first column another name."""
    if package == "pandas":
        return {"columns": {"a": "z"}}
    return {"mapping": {"a": "z"}}


def test_names_of_latent_vectors():
    """Latent vectors in another order are an error; unrelated names are accepted."""
    autoencoder = DenseAutoencoder(2, max_iter=1, hidden_layer_sizes=4, random_state=0).fit(TABLE)
    autoencoder.set_output(transform="pandas")
    codes = autoencoder.transform(TABLE)
    expected = autoencoder.inverse_transform(codes.to_numpy())
    assert_array_equal(autoencoder.inverse_transform(codes), expected)
    assert_array_equal(autoencoder.inverse_transform(codes.set_axis(["u", "v"], axis=1)), expected)
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        autoencoder.inverse_transform(codes.iloc[:, ::-1])
