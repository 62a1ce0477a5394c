"""Tables with categories: encoding, decoding, dtypes, unknown and infrequent categories."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skae import DenseAutoencoder
from skae._input.table_columns import column_kind
from skae._input.table_output import build_table
from skae._input.table_schema import fit_table_schema

N = 60


def pandas_table():
    """Return a table of pandas with a column of each kind."""
    rng = np.random.default_rng(0)
    number = rng.normal(size=N) * 5 + 100
    word = np.where(number > 100, "high", "low")
    return pd.DataFrame(
        {
            "float": number,
            "float32": number.astype("float32"),
            "int16": np.rint(number).astype("int16"),
            "Int64": pd.array(np.rint(number).astype(int), dtype="Int64"),
            "bool": number > 100,
            "boolean": pd.array(number > 100, dtype="boolean"),
            "category": pd.Categorical(word, ["low", "high", "unused"], ordered=True),
            "numbers": pd.Categorical(np.rint(number / 5)),
            "str": word,
            "string": pd.array(word, dtype="string"),
            "object": word.astype(object),
            "interval": pd.cut(number, 3),
        },
        index=np.arange(N) + 7,
    )


def polars_table():
    """Return a table of polars with a column of each kind."""
    table = pandas_table()
    word = table["str"].tolist()
    return pl.DataFrame(
        {
            "float": table["float"].to_numpy(),
            "float32": table["float32"].to_numpy(),
            "int16": table["int16"].to_numpy(),
            "uint8": table["int16"].to_numpy().astype("uint8"),
            "bool": table["bool"].to_numpy(),
            "category": pl.Series(word, dtype=pl.Categorical),
            "enum": pl.Series(word, dtype=pl.Enum(["low", "high", "unused"])),
            "string": word,
        }
    )


TABLES = {"pandas": pandas_table, "polars": polars_table}


@pytest.fixture(params=TABLES)
def table(request):
    """Return a table with a column of each kind."""
    return TABLES[request.param]()


def schema_of(table, **parameters):
    """Return the schema of a table for a DenseAutoencoder with parameters."""
    return fit_table_schema(table, DenseAutoencoder(**parameters))


def decoded(schema, rows, **settings):
    """Return encoded rows as a table."""
    return build_table(schema, schema.decode(rows), schema.package, **settings)


def assert_equal_tables(result, expected):
    """Check that two tables are equal: columns, dtypes, index, and values up to float32."""
    if isinstance(expected, pl.DataFrame):
        assert result.schema == expected.schema
        for name in expected.columns:
            if expected[name].dtype.is_float():
                assert_allclose(result[name].to_numpy(), expected[name].to_numpy(), rtol=1e-6)
            else:
                assert result[name].to_list() == expected[name].to_list()
        return
    pd.testing.assert_frame_equal(result, expected, rtol=1e-6)


def test_decoding_restores_the_encoded_table(table):
    """Encoding and decoding keep columns, dtypes, categories and index."""
    schema = schema_of(table)
    rows = schema.encode(table, allow_nan=False)
    result = decoded(schema, rows, index=getattr(table, "index", None))
    assert_equal_tables(result, table)


def test_each_column_has_a_total_variance_of_1(table):
    """Categories count as much as numbers, whatever the number of categories."""
    schema = schema_of(table)
    variances = schema.encode(table, allow_nan=False).var(axis=0)
    totals = [variances[features].sum() for features in schema.slices]
    assert_allclose(totals, 1, rtol=1e-5)


def test_sample_weights_count_as_repeated_rows():
    """Means, frequencies and categories use the weights; rows of weight 0 do not matter."""
    table = pandas_table()
    weights = np.random.default_rng(1).integers(0, 3, N).astype(float)
    repeated = table.loc[table.index.repeat(weights.astype(int))]
    weighted = fit_table_schema(table, DenseAutoencoder(), weights)
    assert weighted.columns[7].categories == schema_of(repeated).columns[7].categories
    for one, other in zip(weighted.columns, schema_of(repeated).columns, strict=True):
        assert_allclose([one.mean, one.scale], [other.mean, other.scale])
        assert_allclose(one.frequencies, other.frequencies)


def test_missing_values_are_nan_in_all_indicators(table):
    """Missing cells of every dtype are NaN with allow_nan, and otherwise named."""
    schema = schema_of(table)
    for name in table.columns:
        missing = with_missing(table, name)
        place = list(table.columns).index(name)
        if missing is None:
            continue
        with pytest.raises(ValueError, match=rf"NaN in column {place} \('{name}'\), row 3"):
            schema.encode(missing, allow_nan=False)
        rows = schema.encode(missing, allow_nan=True)
        expected = np.zeros(rows.shape, bool)
        expected[3, schema.slices[place]] = True
        assert_array_equal(np.isnan(rows), expected)


def with_missing(table, name):
    """Return a table with a missing value in row 3 of a column, or None if the dtype has none."""
    if isinstance(table, pl.DataFrame):
        values = table[name].to_list()
        values[3] = None
        return table.with_columns(pl.Series(name, values, dtype=table[name].dtype))
    if table[name].dtype in (np.dtype("bool"), np.dtype("int16")):
        return None
    table = table.copy()
    table.loc[table.index[3], name] = None
    return table


@pytest.mark.parametrize("handle_unknown", ["error", "ignore", "infrequent_if_exist"])
def test_unknown_categories(handle_unknown):
    """They are an error, no indicator, or the indicator of infrequent categories."""
    table = pd.DataFrame({"c": ["a"] * 10 + ["b"] * 8 + ["c"] * 2 + ["d"]})
    schema = schema_of(table, handle_unknown=handle_unknown, min_frequency=3)
    assert schema.columns[0].categories == ("a", "b")
    assert schema.columns[0].infrequent == ("c", "d")
    new = pd.DataFrame({"c": ["a", "d", "new"]})
    if handle_unknown == "error":
        with pytest.raises(ValueError, match=r"unknown category 'new' in column 0 \('c'\), row 2"):
            schema.encode(new, allow_nan=False)
        new = new[:2]
    rows = schema.encode(new, allow_nan=False) > 0
    expected = [[1, 0, 0], [0, 0, 1], [0, 0, handle_unknown == "infrequent_if_exist"]]
    assert_array_equal(rows, np.array(expected, bool)[: len(new)])
    assert decoded(schema, rows)["c"].tolist()[:2] == ["a", "c"]


def test_max_categories_combines_the_rarest():
    """The shared indicator counts, as in scikit-learn's OneHotEncoder."""
    table = pd.DataFrame({"c": list("aaabbcccccd")})
    column = schema_of(table, max_categories=3).columns[0]
    assert column.categories == ("a", "c")
    assert column.infrequent == ("b", "d")
    assert schema_of(table, max_categories=4).columns[0].infrequent == ()


def test_high_cardinality_is_refused_by_name():
    """Identifiers and free text are no categories."""
    unique = pd.DataFrame({"x": np.arange(100.0), "id": [f"id{i}" for i in range(100)]})
    with pytest.raises(ValueError, match=r"100 distinct values in 100 rows in column 1 \('id'\)"):
        schema_of(unique)
    many = pd.DataFrame({"city": pd.Categorical(np.arange(600) % 300)})
    with pytest.raises(ValueError, match=r"300 categories in column 0 \('city'\).*at most 255"):
        schema_of(many)
    assert len(schema_of(many, max_categories=10).columns[0].frequencies) == 10
    with pytest.raises(ValueError, match=r"only missing values in column 1 \('c'\)"):
        schema_of(pd.DataFrame({"x": ["a", "b"], "c": pd.Categorical([None, None])}))


def test_selected_columns():
    """Columns are selected by name, index or mask; other entries are an error."""
    table = pd.DataFrame({"a": [1, 2, 1, 2], "b": [1.0, 2.0, 3.0, 4.0]})
    for selected in (["a"], [0], [True, False], np.array([True, False]), np.array(["a"])):
        schema = schema_of(table, categorical_features=selected)
        assert [column.is_category for column in schema.columns] == [True, False]
    assert not schema_of(table).has_categories
    assert not schema_of(table, categorical_features=None).has_categories
    for invalid in (["c"], [2], [1.5], [-1]):
        with pytest.raises(ValueError, match="in categorical_features, but expected names of"):
            schema_of(table, categorical_features=invalid)


def test_arrays_with_selected_columns():
    """Selected columns of an array are categories; the decoded array has their values."""
    X = np.array([[0.5, 3], [1.5, 3], [0.0, 7], [2.0, 7]])
    schema = schema_of(X, categorical_features=[1])
    assert schema.columns[1].categories == (3.0, 7.0)
    assert_allclose(decoded(schema, schema.encode(X, allow_nan=False)), X, atol=1e-6)
    text = np.array([[0.5, "a"], [1.5, "b"]], dtype=object)
    schema = schema_of(text, categorical_features=[1])
    assert decoded(schema, schema.encode(text, allow_nan=False))[:, 1].tolist() == ["a", "b"]


def test_booleans_and_numbers_alone_are_not_encoded():
    """A table without categories stays a table of numbers; booleans are 0 and 1."""
    table = pandas_table()[["float", "int16", "bool", "boolean"]]
    assert not schema_of(table).has_categories


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Categorical(["a"]), "category"),
        (["a"], "text"),
        (pd.array(["a"], dtype="string"), "text"),
        (np.array(["a", None], object), "text"),
        (np.array(["a", 1], object), "number"),
        (np.array([True, None], object), "boolean"),
        (np.array([None], object), "number"),
        (pd.array([True], dtype="boolean"), "boolean"),
        (pd.to_datetime(["2020-01-01"]), "number"),
    ],
)
def test_kinds_of_columns(values, kind):
    """The dtype determines the kind, and the cells if the dtype is object."""
    assert column_kind(pd.DataFrame({"a": values}), 0) == kind


def test_nested_values_are_refused():
    """Lists in a category column raise an error that names the column."""
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [[1], [2]]})
    with pytest.raises(ValueError, match=r"Got list in column 1 \('b'\)"):
        schema_of(table, categorical_features=["b"])


@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_numbers_out_of_range_are_named(value):
    """Infinity, and numbers too large for float32 after standardization, are errors."""
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "c": ["x", "y", "x"]})
    schema = schema_of(table)
    with pytest.raises(ValueError, match=r"in column 0 \('a'\), row 1"):
        schema.encode(table.assign(a=[0.0, value, 0.0]), allow_nan=True)
