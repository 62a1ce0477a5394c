"""Sliding windows, their averages, and padded sequences."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from skae import ConvAutoencoder
from skae.datasets import average_windows, pad_sequences, sliding_windows, unpad_sequences

SERIES = np.arange(26.0).reshape(13, 2)


@pytest.mark.parametrize(("length", "step"), [(1, 1), (4, 1), (4, 3), (4, 4), (5, 9), (13, 1)])
def test_windows_are_slices_of_the_series(length, step):
    """Each window is a slice, and the number of windows follows from length and step."""
    windows = sliding_windows(SERIES, length, step)
    assert windows.shape == ((13 - length) // step + 1, length, 2)
    for i, window in enumerate(windows):
        assert_array_equal(window, SERIES[i * step : i * step + length])
    assert_array_equal(sliding_windows(SERIES[:, 0], length, step), windows[..., 0])


def test_windows_are_views():
    """Windows of arrays, tables of one dtype and tensors share their memory, and are read-only."""
    windows = sliding_windows(SERIES, 4)
    assert np.shares_memory(windows, SERIES)
    assert not windows.flags.writeable
    frame = pd.DataFrame(SERIES, columns=["current", "vibration"])
    assert np.shares_memory(sliding_windows(frame, 4), frame.to_numpy())
    assert_array_equal(sliding_windows(frame, 4), windows)
    assert_array_equal(sliding_windows(torch.from_numpy(SERIES), 4), windows)
    assert_array_equal(sliding_windows(SERIES.tolist(), 4), windows)


def test_windows_of_a_memory_map_are_a_memory_map(tmp_path):
    """A memory map is not read, so that large windows are streamed."""
    np.save(tmp_path / "series.npy", SERIES)
    series = np.load(tmp_path / "series.npy", mmap_mode="r")
    windows = sliding_windows(series, 4, 2)
    assert isinstance(windows, np.memmap)
    assert_array_equal(windows, sliding_windows(SERIES, 4, 2))


def test_masked_values_are_missing():
    """Masked values of a series are NaN in its windows."""
    series = np.ma.masked_equal(np.arange(6), 3)
    assert_array_equal(sliding_windows(series, 6), [[0, 1, 2, np.nan, 4, 5]])


@pytest.mark.parametrize(
    ("series", "length", "step", "match"),
    [
        (SERIES[None], 2, 1, r"series of shape \(1, 13, 2\), but expected \(n_steps,\)"),
        (SERIES, 14, 1, "length=14 with a series of 13 time steps, but expected at most 13"),
        (SERIES, 0, 1, "length=0, but expected an int >= 1"),
        (SERIES, 2.0, 1, "length=2.0, but expected an int >= 1"),
        (SERIES, 2, True, "step=True, but expected an int >= 1"),
        (["a", "b"], 1, 1, "series of dtype <U1, but expected real numbers"),
    ],
)
def test_invalid_windows_are_errors(series, length, step, match):
    """Invalid series, lengths and steps name the parameter."""
    with pytest.raises(ValueError, match=match):
        sliding_windows(series, length, step)


@pytest.mark.parametrize(("length", "step"), [(1, 1), (4, 1), (4, 3), (5, 4), (3, 5)])
def test_averages_of_windows_are_the_series(length, step):
    """The mean over the windows of a series is the series, and NaN outside of all windows."""
    windows = sliding_windows(SERIES, length, step)
    averages = average_windows(windows, length, step, n_steps=13)
    covered = np.zeros(13, bool)
    for start in range(0, 13 - length + 1, step):
        covered[start : start + length] = True
    assert_array_equal(averages[covered], SERIES[covered])
    assert np.isnan(averages[~covered]).all()


def test_averages_are_means_over_the_windows_of_a_time_step():
    """Scores of windows, and errors with NaN, are averaged over the windows of each time step."""
    scores = np.random.default_rng(0).normal(size=6)
    averages = average_windows(scores, 4, 2)
    assert averages.shape == (14,)
    for t in range(14):
        assert averages[t] == pytest.approx(
            np.mean([score for i, score in enumerate(scores) if 2 * i <= t < 2 * i + 4])
        )
    errors = np.array([[1.0, np.nan, 3.0], [5.0, 7.0, np.nan]])
    assert_array_equal(average_windows(errors, 3), [1, 5, 5, np.nan])


@pytest.mark.parametrize(
    ("values", "length", "n_steps", "match"),
    [
        (np.zeros((3, 4)), 5, None, "expected 5 values in the second dimension"),
        (np.zeros(3), 4, 7, "n_steps=7, but expected an int from 8 to 9: there are 3 windows"),
        (np.zeros(3), 4, 10, "n_steps=10, but expected an int from 8 to 9"),
        (np.zeros(0), 4, None, "with at least one window"),
        (np.zeros((2, 4, 1, 1)), 4, None, r"values of shape \(2, 4, 1, 1\)"),
    ],
)
def test_invalid_averages_are_errors(values, length, n_steps, match):
    """Values that do not suit the windows are errors."""
    with pytest.raises(ValueError, match=match):
        average_windows(values, length, 2, n_steps)


def test_sequences_are_padded_at_the_end():
    """Padding is NaN, and the inverse returns the sequences."""
    sequences = [SERIES[:5], SERIES[:2], SERIES[3:4]]
    X = pad_sequences(sequences)
    assert X.shape == (3, 5, 2)
    assert X.dtype == np.float64
    assert np.isnan(X[1, 2:]).all()
    for sequence, original in zip(unpad_sequences(X, [5, 2, 1]), sequences, strict=True):
        assert_array_equal(sequence, original)
    assert pad_sequences(sequences, length=9).shape == (3, 9, 2)
    narrow = [np.arange(3, dtype=np.int16), np.ones(1, np.float32)]
    assert pad_sequences(narrow).dtype == np.float32
    frames = [pd.DataFrame(sequence, columns=["a", "b"]) for sequence in sequences]
    assert_array_equal(pad_sequences(frames), X)


@pytest.mark.parametrize(
    ("sequences", "length", "match"),
    [
        ([], None, "Got no sequence"),
        ([SERIES, SERIES[:, :1]], None, r"shapes \(13, 2\) and \(13, 1\), at index 0 and 1"),
        ([SERIES, SERIES[:0]], None, "at least one time step"),
        ([SERIES, SERIES[:, 0]], None, r"shapes \(13, 2\) and \(13,\), at index 0 and 1"),
        ([SERIES], 12, "length=12, but expected at least 13"),
        ([SERIES], 1.5, "length=1.5, but expected an int >= 1"),
        ([["a"]], None, "sequence at index 0 of dtype <U1, but expected real numbers"),
    ],
)
def test_invalid_sequences_are_errors(sequences, length, match):
    """Sequences that can't be padded name the index."""
    with pytest.raises(ValueError, match=match):
        pad_sequences(sequences, length)


@pytest.mark.parametrize(
    ("X", "lengths", "match"),
    [
        (np.zeros((2, 3)), [1], r"lengths of shape \(1,\)"),
        (np.zeros((2, 3)), [1, 4], "lengths from 1 to 4, but expected 0 to 3"),
        (np.zeros((2, 3)), [1.0, 2.0], "dtype float64, but expected one int for each"),
    ],
)
def test_invalid_lengths_are_errors(X, lengths, match):
    """Lengths that do not suit X are errors."""
    with pytest.raises(ValueError, match=match):
        unpad_sequences(X, lengths)


def test_lists_of_sequences_name_the_function():
    """A list of sequences of different lengths raises an error that names `pad_sequences`."""
    with pytest.raises(ValueError, match=r"skae\.datasets\.pad_sequences, and set allow_nan=True"):
        ConvAutoencoder(2, signals=True).fit([SERIES, SERIES[:5]])
