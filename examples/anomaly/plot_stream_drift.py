"""
Drift of a stream
=================

Normal samples change over time: sensors age, and seasons follow each other. A
fixed detector then raises more and more false alarms. The p-values of batches
show the drift, and ``partial_fit`` replaces the oldest normal samples by new
ones.
"""

# %%
# A stream of sensor readings
# ---------------------------
#
# Eight sensors depend on two hidden quantities. After 20 batches, one of the
# sensors starts to drift slowly. A fault of another sensor occurs in two
# percent of the rows.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import kstest

from skae import ReconstructionDetector

rng = np.random.default_rng(0)
weights = rng.normal(size=(2, 8))


def normal_rows(n_samples, drift):
    X = np.tanh(rng.normal(size=(n_samples, 2)) @ weights)
    X += 0.05 * rng.normal(size=X.shape)
    X[:, 3] += drift
    return X


X_train = normal_rows(1000, 0)
batches, faults = [], []
for step in range(50):
    batch = normal_rows(100, 0.02 * max(0, step - 20))
    is_faulty = rng.random(100) < 0.02
    batch[is_faulty, 6] += rng.choice([-1.5, 1.5], is_faulty.sum())
    batches.append(batch)
    faults.append(is_faulty)

# %%
# A fixed and an adapted detector
# -------------------------------
#
# Both detectors have a false alarm rate of one percent. The second one learns
# from the rows of each batch that are not far from normal rows.


def follow(adapts):
    detector = ReconstructionDetector(random_state=0).fit(X_train)
    detector.set_threshold(0.01)
    alarms, uniformity = [], []
    for batch in batches:
        p_values = detector.p_values(batch)
        alarms.append(p_values <= 0.01)
        uniformity.append(kstest(p_values, "uniform").pvalue)
        if adapts:
            detector.partial_fit(batch[p_values > 0.001])
    return np.array(alarms), np.array(uniformity)


is_faulty = np.array(faults)
results = {"fixed": follow(False), "partial_fit": follow(True)}
print("batches 40 to 49   false alarms   detected faults")
for name, (alarms, _) in results.items():
    late, late_faults = alarms[40:], is_faulty[40:]
    print(
        f"{name:18}{late[~late_faults].mean():13.1%}"
        f"{late[late_faults].mean():18.1%}"
    )

# %%
# The p-values of a batch are distributed uniformly without a drift. The test
# of Kolmogorov and Smirnov compares them with the uniform distribution. With a
# fixed detector, its own p-value falls soon after the drift has started.

figure, axes = plt.subplots(2, 1, figsize=(8, 5), sharex=True)
figure.set_layout_engine("constrained")
for name, (alarms, uniformity) in results.items():
    false_alarms = np.where(is_faulty, np.nan, alarms)
    axes[0].plot(np.nanmean(false_alarms, axis=1), label=name)
    axes[1].semilogy(np.maximum(uniformity, 1e-12), label=name)
axes[0].set(ylabel="false alarm rate", ylim=(0, 1))
axes[1].set(ylabel="p-value of uniformity", xlabel="batch")
axes[1].axhline(1e-3, color="gray", ls=":")
axes[0].axvline(20, color="gray", ls=":")
axes[1].axvline(20, color="gray", ls=":")
axes[0].legend(frameon=False)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/anomaly_detection` describes p-values and ``partial_fit``.
# Faults that are not noticed become normal samples of the adapted detector, so
# keep the batches for a later check.
