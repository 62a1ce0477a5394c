"""
Anomaly detection in a multivariate time series
===============================================

A pump is monitored by three sensors in different units: current in
milliamperes, vibration in g and temperature in degrees Celsius. A detector of
sliding windows finds faults, their time and the faulty sensor.
"""

# %%
# Sensor data of a machine
# ------------------------
#
# The generated pump works in cycles of varying length and load. The current
# follows the load, the vibration oscillates with the speed, and the
# temperature follows the power with a delay. Four faults are planted in a
# test period.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.signal import lfilter

from skae import (
    ConvAutoencoder,
    ReconstructionDetector,
    ReconstructionDisplay,
)
from skae.datasets import average_windows, sliding_windows

rng = np.random.default_rng(0)
SENSORS = ["current", "vibration", "temperature"]


def pump(n_steps):
    load = np.empty(0)
    while len(load) < n_steps:
        n = rng.integers(28, 36)
        cycle = np.sin(np.linspace(0, np.pi, n, endpoint=False)) ** 2
        load = np.append(load, rng.normal(1, 0.1) * cycle)
    load = load[:n_steps]
    angle = np.cumsum(0.6 + 0.25 * load)
    values = {
        "current": 4000 + 2500 * load,
        "vibration": 0.02 * load * np.sin(angle),
        "temperature": 45 + 12 * lfilter([0.15], [1, -0.85], load),
    }
    noise = rng.normal(scale=[80, 0.001, 0.3], size=(n_steps, 3))
    return pd.DataFrame(values) + noise


normal = pump(9000)
test = pump(1600)
faults = {
    "frozen sensor": (slice(200, 260), "temperature"),
    "spikes": (slice(600, 630), "vibration"),
    "drift": (slice(950, 1030), "current"),
    "changed frequency": (slice(1300, 1380), "vibration"),
}
for name, (steps, sensor) in faults.items():
    column = test[sensor].to_numpy(copy=True)
    time = np.arange(steps.stop - steps.start)
    if name == "frozen sensor":
        column[steps] = column[steps.start]
    elif name == "spikes":
        column[steps][::10] += 0.03
    elif name == "drift":
        column[steps] += 15 * time
    else:
        column[steps] = 0.01 * np.sin(1.9 * time)
    test[sensor] = column

# %%
# Windows of the normal period
# ----------------------------
#
# Windows of 64 time steps contain about two cycles. They do not overlap, so
# that the two halves for the calibration of the threshold have no values in
# common. Each channel is divided by its standard deviation.

LENGTH = 64
windows = sliding_windows(normal, LENGTH, step=LENGTH)
autoencoder = ConvAutoencoder(
    8, signals=True, max_iter=150, early_stopping=False
)
detector = ReconstructionDetector(autoencoder, random_state=0)
detector.fit(windows)

print("windows (n, time, channels):", windows.shape)
scale = detector.scaler_.scale_[: len(SENSORS)]
for sensor, deviation in zip(SENSORS, scale, strict=True):
    print(f"standard deviation of {sensor}: {deviation:.3g}")

# %%
# Original and reconstruction of three new windows, with one row of panels for
# each channel:

new_windows = sliding_windows(pump(3 * LENGTH), LENGTH, step=LENGTH)
scaled = (new_windows - normal.mean().to_numpy()) / scale
ReconstructionDisplay.from_predictions(
    scaled,
    detector.autoencoder_.reconstruct(scaled),
    image_shape=(1, LENGTH, len(SENSORS)),
    feature_names=SENSORS,
)
plt.show()

# %%
# Scores of time steps
# --------------------
#
# Windows of the test period start at each time step. The score of a time
# step is the mean over all windows that contain it.

test_windows = sliding_windows(test, LENGTH)
scores = detector.score_samples(test_windows)
score_per_step = average_windows(scores, LENGTH)

figure, axes = plt.subplots(
    4, 1, figsize=(9, 6.5), sharex=True, layout="constrained"
)
for ax, sensor in zip(axes, SENSORS, strict=False):
    ax.plot(test[sensor], color="tab:gray", linewidth=0.8)
    ax.set_ylabel(sensor)
    for steps, faulty in faults.values():
        if faulty == sensor:
            ax.axvspan(steps.start, steps.stop, color="tab:red", alpha=0.2)
axes[3].plot(-score_per_step)
axes[3].axhline(-detector.offset_, color="tab:red", linestyle="--")
axes[3].set(xlabel="time step", ylabel="anomaly score")
figure.align_ylabels(axes)
plt.show()

# %%
# The share of windows with an alarm, inside of a fault and elsewhere:

is_alarm = scores < detector.offset_
starts = np.arange(len(test_windows))
is_faulty = np.zeros(len(test_windows), bool)
for name, (steps, _) in faults.items():
    # the middle of the window is in the fault
    inside = (starts + LENGTH // 2 >= steps.start) & (
        starts + LENGTH // 2 < steps.stop
    )
    touches = (starts + LENGTH > steps.start) & (starts < steps.stop)
    is_faulty |= touches
    print(f"{name:20}{is_alarm[inside].mean():.2f}")
print(f"{'no fault':20}{is_alarm[~is_faulty].mean():.2f}")

# %%
# Which sensor, and when
# ----------------------
#
# ``explain`` returns a contribution for each time step and channel of a
# window. Their sums over time name the faulty sensor.

figure, axes = plt.subplots(
    1, 4, figsize=(9, 2.6), sharey=True, layout="constrained"
)
for ax, (name, (steps, sensor)) in zip(axes, faults.items(), strict=True):
    start = (steps.start + steps.stop - LENGTH) // 2
    explanation = detector.explain(test_windows[start : start + 1])
    contributions = explanation.contributions[0]
    largest = SENSORS[contributions.sum(axis=0).argmax()]
    print(f"{name:20}sensor: {sensor:14}explanation: {largest}")
    contributions = contributions / contributions.max()
    ax.imshow(contributions.T, aspect="auto", cmap="viridis")
    ax.set_title(name, fontsize="medium")
    ax.set_xlabel("time step of the window")
axes[0].set_yticks(range(len(SENSORS)), SENSORS)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/time_series` describes windows, the split of a series into
# training and validation sets, denoising, and sequences of different lengths.
