"""Rows with gaps, and damage done to rows, as options of both autoencoders."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.metrics import r2_score
from sklearn.preprocessing import scale
from sklearn.utils import get_tags

from skae import ConvAutoencoder, DenseAutoencoder
from skae._damage import check_corruption
from skae._principal import normal_with_gaps

from .cases import curve, grey_images, low_rank

nan = np.nan
FAST = {"max_iter": 3, "early_stopping": False, "random_state": 0}


def with_gaps(X, share=0.2, seed=0):
    """Copy X, and put NaN in the place of a share of its numbers."""
    X = np.array(X)
    X[np.random.default_rng(seed).uniform(size=X.shape) < share] = nan
    return X


# ------------------------------------------------------------------------------------------------------------- gaps


def test_imputing_is_better_than_the_mean():
    """On breast cancer the gaps are filled with a third of the squared error that column means leave, and none stays."""
    X = scale(load_breast_cancer().data)
    gaps = with_gaps(X, 0.1)
    found = DenseAutoencoder(8, allow_nan=True, max_iter=12, random_state=0).fit(gaps).reconstruct(gaps)
    assert np.isfinite(found).all()
    gone = np.isnan(gaps)
    means = np.broadcast_to(np.nanmean(gaps, 0), X.shape)
    assert np.square(found - X)[gone].mean() < 0.4 * np.square(means - X)[gone].mean()


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "log_loss"])
def test_every_gap_is_filled(make, loss):
    """Codes and reconstructions are finite with every loss, also those of a row that is all gaps, which has no score."""
    gaps = with_gaps(grey_images(40, 7, 5).reshape(40, -1))
    gaps[3] = nan
    before = gaps.copy()
    estimator = make(3, allow_nan=True, loss=loss, max_iter=3, random_state=0).fit(gaps)
    assert np.isfinite(estimator.transform(gaps)).all()
    assert np.isfinite(estimator.reconstruct(gaps)).all()
    assert np.isfinite(estimator.loss_curve_).all()
    assert np.isnan(estimator.reconstruction_error(gaps)[3])
    assert_array_equal(gaps, before)
    with pytest.warns(UndefinedMetricWarning, match="nothing but gaps"):
        assert np.isnan(estimator.score(gaps[[3, 3]]))


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_errors_and_scores_count_what_is_there(make, rng):
    """reconstruction_error and score are those of NumPy over the numbers that are there."""
    gaps = with_gaps(low_rank(60, 8))
    estimator = make(3, allow_nan=True, **FAST).fit(gaps)
    squares = np.square(estimator.reconstruct(gaps) - gaps)
    assert_allclose(estimator.reconstruction_error(gaps), np.nanmean(squares, 1), rtol=1e-4)
    weights = rng.uniform(0.1, 2, 60)
    for w in (np.ones(60), weights):
        w = w[:, None]
        mean = np.nansum(w * gaps, 0) / np.nansum(w * ~np.isnan(gaps), 0)
        expected = 1 - np.nansum(w * squares) / np.nansum(w * np.square(gaps - mean))
        assert estimator.score(gaps, sample_weight=w[:, 0]) == pytest.approx(expected, abs=1e-5)
    X = low_rank(60, 8)
    assert estimator.score(X) == pytest.approx(r2_score(X, estimator.reconstruct(X), multioutput="variance_weighted"), abs=1e-5)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64])
def test_rows_without_gaps_of_any_dtype(dtype):
    """allow_nan asks for no gaps, nor for a dtype that can hold them."""
    X = low_rank(60, 8, dtype=dtype, low=0, high=200)
    for make in (DenseAutoencoder, ConvAutoencoder):
        assert make(3, allow_nan=True, **FAST).fit(X).score(X) > 0.5


def test_a_table_of_pandas_with_gaps():
    """Data frames with NaN, and with pandas' own integers, are taken, and give the same as arrays."""
    gaps = with_gaps(low_rank(60, 8))
    frame = pd.DataFrame(gaps).add_prefix("column")
    estimator = DenseAutoencoder(3, allow_nan=True, **FAST)
    expected = estimator.fit(gaps).transform(gaps)
    assert_array_equal(estimator.fit(frame).transform(frame), expected)
    whole = pd.DataFrame(np.where(np.isnan(gaps), nan, np.rint(gaps))).astype("Int64")
    assert whole.isna().to_numpy().any()
    assert np.isfinite(estimator.fit(whole).reconstruct(whole)).all()


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_tensors_with_gaps(make):
    """Tensors of torch with NaN give what arrays give."""
    gaps = with_gaps(low_rank(60, 8, dtype=np.float32))
    expected = make(3, allow_nan=True, **FAST).fit(gaps).reconstruct(gaps)
    found = make(3, allow_nan=True, **FAST).fit(torch.from_numpy(gaps)).reconstruct(torch.from_numpy(gaps))
    assert isinstance(found, torch.Tensor)
    assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_what_is_no_gap_is_still_refused(make, rows):
    """Infinity is an error, a column of nothing but gaps is one that names it, and without allow_nan NaN is one."""
    gaps = with_gaps(rows)
    infinite = gaps.copy()
    infinite[40, 5] = np.inf
    with pytest.raises(ValueError, match="infinity in column 5, row 40"):
        make(3, allow_nan=True, **FAST).fit(infinite)
    empty = gaps.copy()
    empty[:, 6] = nan
    with pytest.raises(ValueError, match="nothing but NaN in column 6 of X"):
        make(3, allow_nan=True, **FAST).fit(empty)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        make(3, **FAST).fit(gaps)
    estimator = make(3, allow_nan=True, **FAST).fit(gaps)
    assert np.isfinite(estimator.reconstruct(empty)).all()
    with pytest.raises(ValueError, match="infinity"):
        estimator.transform(infinite)
    assert get_tags(estimator).input_tags.allow_nan
    assert not get_tags(make(3)).input_tags.allow_nan


def test_the_only_number_of_a_column_may_be_held_out(rows):
    """A column with one number is taken, whichever rows are held out."""
    gaps = rows.copy()
    gaps[1:, 2] = nan
    for seed in range(12):
        estimator = DenseAutoencoder(3, allow_nan=True, max_iter=1, random_state=seed).fit(gaps)
        assert estimator.reconstruct(gaps)[5, 2] == pytest.approx(rows[0, 2], abs=0.5)


def test_gaps_in_rows_without_weight(rows):
    """Rows without weight count nothing for the means that gaps are filled with."""
    gaps, weights = with_gaps(rows), np.r_[np.ones(40), np.zeros(20)]
    estimator = DenseAutoencoder(3, allow_nan=True, **FAST)
    expected = estimator.fit(gaps[:40]).transform(gaps)
    assert_array_equal(estimator.fit(gaps, sample_weight=weights).transform(gaps), expected)


def test_before_training_gaps_are_filled_as_a_normal_distribution_has_it():
    """A code as long as a row gives back what is there, and in gaps the conditional mean, whatever the columns' units."""
    units = np.geomspace(1e-3, 1e3, 6)
    X = low_rank(80, 6) * units
    gaps = with_gaps(X)
    estimator = DenseAutoencoder(6, allow_nan=True, max_iter=1, learning_rate_init=1e-12, early_stopping=False, random_state=0)
    found = estimator.fit(gaps).reconstruct(gaps)
    means = torch.zeros(len(units))
    mean, precision = (part.numpy() for part in normal_with_gaps(gaps, means, None, generator=torch.Generator()))
    expected = gaps.copy()
    for row in expected:
        gap = np.isnan(row)
        away = precision[np.ix_(gap, ~gap)] @ (row[~gap] - mean[~gap])
        row[gap] = mean[gap] - np.linalg.solve(precision[np.ix_(gap, gap)], away)
    # the largest column makes the unit of all of them
    assert_allclose(found[:, -3:] / units[-3:], expected[:, -3:] / units[-3:], atol=0.02)


@pytest.mark.parametrize(("constant", "unit"), [(0.1, 1e3), (0.1, 1e6), (0.0, 1e6), (1e9, 1.0), (None, 1e3)])
def test_gaps_in_a_column_that_is_constant_or_next_to_nothing(constant, unit):
    """A column that varies by rounding alone, or by far less than others, is filled with its mean, and breaks no training."""
    X = low_rank(60, 6) * unit
    X[:, 0] = X[:, 0] * 1e-24 if constant is None else constant
    gaps = with_gaps(X)
    estimator = DenseAutoencoder(3, allow_nan=True, **FAST).fit(gaps)
    assert np.isfinite(estimator.transform(gaps)).all()
    assert_allclose(estimator.reconstruct(gaps)[:, 0], X[:, 0].mean(), atol=1e-4 * unit, rtol=1e-6)
    assert torch.isfinite(estimator.net_.module_.precision).all()


def test_a_column_of_gaps_alone_among_the_rows_that_take_part_has_the_mean_of_all(monkeypatch):
    """Of many rows some say what the normal distribution is; a column that they don't know has the mean of all rows."""
    monkeypatch.setattr("skae._principal.GAPPY_FLOPS", 1e-9)  # so that as few rows as may be take part
    X = np.random.default_rng(0).standard_normal((2000, 8))
    X[:, 0], X[7, 0] = nan, 2000.0
    mean, precision = normal_with_gaps(X, torch.from_numpy(np.nanmean(X, 0)), None, generator=torch.Generator())
    assert mean[0] == pytest.approx(2000.0)
    assert torch.isfinite(precision).all()


@pytest.mark.filterwarnings("ignore:.IterativeImputer. Early stopping criterion not reached")
def test_gaps_are_filled_better_than_a_linear_map_can():
    """Where columns depend on each other along curves, cells are restored better than by scikit-learn's IterativeImputer."""
    X = scale(np.concatenate([curve(300), np.square(curve(300)[:, :2])], 1))
    gaps = with_gaps(X)
    gone = np.isnan(gaps)
    estimator = DenseAutoencoder(5, allow_nan=True, corruption="masking", max_iter=100, random_state=0)
    filled = [estimator.fit(gaps).reconstruct(gaps), IterativeImputer(random_state=0).fit_transform(gaps)]
    ours, theirs = (np.square(some - X)[gone].mean() for some in filled)
    assert ours < 0.7 * theirs


def test_gaps_of_wide_rows_are_filled_with_means():
    """Beyond 128 columns no normal distribution is found, and before training the code of a row of gaps is that of the mean."""
    for d, linked in [(128, True), (129, False)]:
        X = low_rank(40, d)
        gaps = with_gaps(X)
        gaps[0] = nan
        estimator = DenseAutoencoder(3, allow_nan=True, hidden_layer_sizes=4, **FAST).fit(gaps)
        assert (estimator.net_.module_.precision is not None) == linked
        assert np.isfinite(estimator.reconstruct(gaps)).all()


@pytest.mark.parametrize("target_weight", [0.0, 1.0])
def test_a_gap_is_not_taken_for_a_mean(target_weight):
    """Images are encoded otherwise where pixels are gaps than where they happen to be what gaps are filled with."""
    images = grey_images(60, 8, 9)
    gappy, mean = images.copy(), images.copy()
    gappy[:, 2:5, 1:4], mean[:, 2:5, 1:4] = nan, images.mean(0)[2:5, 1:4]
    estimator = ConvAutoencoder(3, allow_nan=True, corruption="masking", target_weight=target_weight, **FAST | {"max_iter": 30})
    estimator.fit(images, np.arange(60) % 3)
    codes, others = estimator.transform(gappy), estimator.transform(mean)
    assert np.abs(codes - others).max() > 0.01 * codes.std()


def test_gaps_are_filled_in_float32_where_training_is_in_bfloat16():
    """Filled rows are the same whatever the precision of training."""
    gaps = with_gaps(low_rank(60, 8, dtype=np.float32))
    network = DenseAutoencoder(3, allow_nan=True, **FAST).fit(gaps).net_.module_
    x = network.prepare(torch.from_numpy(gaps))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = network.filled(x)
    assert_array_equal(inside, network.filled(x))


# ------------------------------------------------------------------------------------------------------- corruption


def test_one_seed_is_one_damage(rows):
    """Equal seeds give equal bits, other seeds others, and damage changes what is learned."""
    found = [
        DenseAutoencoder(3, corruption=name, **{**FAST, "random_state": seed}).fit(rows).transform(rows)
        for name, seed in [("masking", 0), ("masking", 0), ("masking", 1), ("gaussian", 0), (None, 0)]
    ]
    assert_array_equal(found[0], found[1])
    assert not any(np.array_equal(found[0], other) for other in found[2:])


def test_a_callable_sees_centred_rows(rows):
    """It gets rows about their mean in units of X's overall deviation, the level as it was given, and a generator."""
    seen = []

    def keep(x, level, generator):
        seen.append((x, level, generator))
        return x

    estimator = DenseAutoencoder(3, corruption=keep, corruption_level=(0.1, 2.5), **FAST).fit(rows)
    x = torch.cat([x for x, _, _ in seen[: len(seen) // 3]]).numpy()
    assert x.shape == rows.shape
    assert_allclose(x.mean(0), 0, atol=1e-5)
    assert_allclose(np.sqrt(np.square(x).mean()), 1, rtol=0.05)
    expected = (rows - rows.mean(0)) / float(estimator.net_.module_.centre.scale)
    assert_allclose(np.sort(x, 0), np.sort(expected, 0), rtol=1e-3, atol=1e-3)
    assert {level for _, level, _ in seen} == {(0.1, 2.5)}
    assert all(isinstance(generator, torch.Generator) and generator.device.type == "cpu" for _, _, generator in seen)
    count = len(seen)
    estimator.transform(rows)
    estimator.reconstruct(rows)
    estimator.score(rows)
    assert len(seen) == count


@pytest.mark.parametrize("first", [True, False])
def test_a_callable_sees_images(first):
    """Images have their channels first, however they lie in X."""
    shapes = set()

    def keep(x, level, generator):
        shapes.add(tuple(x.shape[1:]))
        return x

    X = np.stack([grey_images(20, 6, 5, seed=c) for c in range(3)], 1 if first else -1)
    ConvAutoencoder(3, corruption=keep, channel_axis=1 if first else -1, **FAST).fit(X)
    assert shapes == {(3, 6, 5)}


def test_masking_teaches_to_fill_in():
    """Trained with masking, numbers replaced by the mean are restored better than without."""
    X = low_rank(400, 12)
    damaged = X.copy()
    gone = np.random.default_rng(0).uniform(size=X.shape) < 0.3
    damaged[gone] = np.broadcast_to(X.mean(0), X.shape)[gone]
    errors = [
        np.square(
            DenseAutoencoder(3, corruption=name, corruption_level=0.3, random_state=0).fit(X).reconstruct(damaged) - X
        ).mean()
        for name in (None, "masking")
    ]
    assert errors[1] < 0.8 * errors[0]


def test_gaps_are_filled_before_damage_is_done(rows):
    """A corruption never sees NaN, and the target keeps its gaps."""
    seen = []

    def keep(x, level, generator):
        seen.append(x)
        return x + level

    estimator = DenseAutoencoder(3, corruption=keep, allow_nan=True, **FAST).fit(with_gaps(rows))
    assert all(torch.isfinite(x).all() for x in seen)
    assert np.isfinite(estimator.loss_curve_).all()


@pytest.mark.parametrize("name", ["masking", "patches"])
def test_what_is_masked_becomes_a_missing_value(name):
    """With allow_nan, masked numbers and holes in images are NaN, and all others stay."""
    x = torch.rand(6, 2, 8, 8, generator=torch.Generator().manual_seed(0)) + 1
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    means = check_corruption(name, 0.25)(x, seeds[0])
    gaps = check_corruption(name, 0.25, allow_nan=True)(x, seeds[1])
    assert means.eq(0).any()
    torch.testing.assert_close(gaps, means.where(means != 0, nan), equal_nan=True, rtol=0, atol=0)


def _shift(x, level, generator, *, by):
    return x + by * level


class Shift:
    """Damage with state."""

    def __call__(self, x, level, generator):
        """Shift."""
        return x + level


@pytest.mark.parametrize("corruption", [functools.partial(_shift, by=0.1), Shift()])
def test_partial_fit_keeps_its_optimizer_with_any_callable(corruption, rows):
    """An object as corruption is the same one at the next call."""
    estimator = DenseAutoencoder(3, corruption=corruption, random_state=0).partial_fit(rows)
    optimizer = estimator.net_.optimizer_
    assert estimator.partial_fit(rows).net_.optimizer_ is optimizer
    assert estimator.set_params(corruption_level=0.4).partial_fit(rows).net_.optimizer_ is not optimizer


@pytest.mark.parametrize(
    ("corruption", "level", "expected"),
    [
        (
            "masking",
            1.5,
            r"corruption_level=1\.5, but expected a number from 0 to 1, or a pair of such, .* for corruption='masking'",
        ),
        (
            "gaussian",
            (0.3, 0.1),
            r"corruption_level=\(0\.3, 0\.1\), but expected a number of at least 0, or a pair of such, the lower one first",
        ),
        (
            "gaussian",
            (0.1,),
            r"corruption_level=\(0\.1,\), but expected a number of at least 0, or a pair of such, the lower one first",
        ),
        ("patches", 0.5, "corruption='patches', but expected another one"),
    ],
)
def test_levels_that_mean_nothing_are_refused(corruption, level, expected, rows):
    """A share beyond 1, a pair that does not rise, and holes in what is no image are errors that say so."""
    with pytest.raises(ValueError, match=expected):
        DenseAutoencoder(2, corruption=corruption, corruption_level=level).fit(rows)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_gaps_that_are_allowed_after_fit_are_refused(make):
    """A network that was built without gaps would make NaN of them, so it is not given any."""
    estimator = make(2, **FAST).fit(with_gaps(low_rank(40, 9), 0)).set_params(allow_nan=True)
    for method in (estimator.transform, estimator.reconstruct, estimator.score):
        with pytest.raises(ValueError, match="Input X contains NaN in column"):
            method(with_gaps(low_rank(40, 9)))


def test_with_gaps_the_notebook_shows_it():
    """The HTML of a fit on a table with gaps has its layers, as that of any other."""
    html = DenseAutoencoder(2, allow_nan=True, **FAST).fit(with_gaps(low_rank(40, 6)))._repr_html_()
    assert "n_components_" in html
