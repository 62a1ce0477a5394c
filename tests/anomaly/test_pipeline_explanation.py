"""Explanations of pipelines in the columns of their input."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import ReconstructionDetector
from skae.anomaly import explain_pipeline


@pytest.fixture(scope="module")
def machines():
    """Return normal machines: load and power agree, and each model has its own temperature."""
    rng = np.random.default_rng(0)
    model = rng.choice(["a", "b", "c"], 400)
    load = rng.uniform(1, 5, 400)
    return pd.DataFrame(
        {
            "model": pd.Categorical(model),
            "load": load,
            "power": 2 * load + 0.1 * rng.normal(size=400),
            "temperature": pd.Series(model).map({"a": 20, "b": 40, "c": 60}) + rng.normal(size=400),
            "count": rng.integers(0, 5, 400),
        }
    )


@pytest.fixture(scope="module")
def pipeline(machines):
    """Return a pipeline of an encoder, a scaler and a detector."""
    encoder = make_column_transformer(
        (OneHotEncoder(), ["model"]), remainder=StandardScaler(), sparse_threshold=0
    )
    return make_pipeline(encoder, ReconstructionDetector(PCA(3), random_state=0)).fit(machines)


def test_faults_are_named_in_the_columns_of_the_user(pipeline, machines):
    """A wrong number and a wrong category are named, with expected values in their units."""
    faulty = machines.iloc[:3].copy()
    faulty.loc[0, "power"] = 30.0
    faulty.loc[1, "temperature"] = {"a": 60.0, "b": 20.0, "c": 20.0}[faulty.model[1]]
    explanation = explain_pipeline(pipeline, faulty, machines)
    frames = [explanation.to_frame(i) for i in range(3)]
    assert frames[0].feature[0] == "power"
    assert frames[0].expected[0] == pytest.approx(2 * faulty.load[0], abs=1)
    assert frames[1].feature[0] in ("temperature", "model")
    assert frames[2].contribution.max() < frames[0].contribution.max() / 2
    assert set(explanation.expected[:, 0]) <= {"a", "b", "c"}
    np.testing.assert_allclose(explanation.anomaly_scores, -pipeline.score_samples(faulty))


def test_arrays_and_missing_values(machines):
    """Arrays have columns x0, x1, ...; a missing value contributes 0."""
    X = machines[["load", "power"]].to_numpy()
    scaler = StandardScaler().set_output(transform="default")
    fitted = make_pipeline(scaler, ReconstructionDetector(random_state=0))
    X_missing = np.where(np.random.default_rng(1).random(X.shape) < 0.05, np.nan, X)
    fitted.fit(X_missing)
    faulty = np.array([[2.0, 30.0], [np.nan, 4.0]])
    explanation = explain_pipeline(fitted, faulty, X_missing)
    assert explanation.feature_names == ["x0", "x1"]
    assert explanation.values.dtype == explanation.expected.dtype == np.float64
    assert explanation.contributions[0].argmax() == 1
    assert explanation.contributions[1, 0] == 0


def test_invalid_tables_raise(pipeline, machines):
    """Other columns in the background, or a column without a value, are errors."""
    with pytest.raises(ValueError, match="expected equal columns"):
        explain_pipeline(pipeline, machines.iloc[:2], machines.drop(columns="count"))
    empty = machines.assign(load=np.nan)
    with pytest.raises(ValueError, match="background without a value in the column 'load'"):
        explain_pipeline(pipeline, machines.iloc[:2], empty)


def test_columns_are_matched_by_name_and_dtype(pipeline, machines):
    """The order of the background does not matter, and integers are compared with floats."""
    faulty = machines.iloc[:2].copy()
    faulty["power"] = 30.0
    expected = explain_pipeline(pipeline, faulty, machines)
    other = machines[machines.columns[::-1]]
    same = explain_pipeline(pipeline, faulty, other)
    np.testing.assert_array_equal(same.contributions, expected.contributions)
    integers = faulty.astype({"power": np.int64})
    from_integers = explain_pipeline(pipeline, integers, machines)
    np.testing.assert_array_equal(from_integers.contributions, expected.contributions)


def test_columns_of_mixed_and_nullable_types(machines):
    """Nullable integers, strings and mixed columns have candidates, and NA contributes 0."""
    table = machines[["load", "power"]].assign(
        text=pd.array(["a", "b"] * 200, dtype="string"),
        whole=pd.array([1, 2, None, 4] * 100, dtype="Int64"),
        mixed=[1, "x"] * 200,
    )
    numbers = make_column_transformer((StandardScaler(), ["load", "power"]))
    fitted = make_pipeline(numbers, ReconstructionDetector(PCA(1), random_state=0)).fit(table)
    explanation = explain_pipeline(fitted, table.iloc[:4], table)
    assert explanation.contributions.shape == (4, 5)
    np.testing.assert_array_equal(explanation.contributions[:, 2:], 0)


def test_training_rows_are_explained_like_new_rows(pipeline, machines):
    """A training row and a row next to it have nearly the same contributions."""
    own = machines.iloc[:8]
    near = own.assign(load=own.load + 1e-7)
    np.testing.assert_allclose(
        explain_pipeline(pipeline, own, machines).contributions,
        explain_pipeline(pipeline, near, machines).contributions,
        atol=0.05,
    )
