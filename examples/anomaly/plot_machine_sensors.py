"""
Faults in the sensor data of machines
=====================================

Twelve sensors of a machine depend on its load, its speed and the ambient
temperature. A fault changes one sensor, often within its normal range, so
limits for single sensors do not detect it. A detector that learns the
dependence between the sensors does.
"""

# %%
# A table of sensor readings
# --------------------------
#
# The generated machine has three degrees of freedom and measurement noise of
# about one percent. The detectors are fitted on normal rows. In the test set
# 5 % of the rows have a fault of known kind.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    ContributionDisplay,
    DenseAutoencoder,
    ReconstructionDetector,
)

rng = np.random.default_rng(0)


def machines(n_samples):
    load = rng.uniform(0.2, 1, n_samples)
    speed = rng.uniform(0.3, 1, n_samples)
    ambient = rng.normal(20, 5, n_samples)
    torque = 300 * load * np.sqrt(speed)
    oil = ambient + 25 * load + 15 * speed**2
    resonance = np.exp(-np.square((speed - 0.7) / 0.08))
    readings = {
        "torque": torque,
        "power": torque * speed / 3,
        "current": 12 + 1.9 * (torque * speed / 3) ** 0.9,
        "voltage": 400 - 12 * load,
        "motor temp.": ambient + 55 * load**1.6 * np.sqrt(speed),
        "bearing temp. A": ambient + 10 + 22 * speed**2 + 6 * load,
        "bearing temp. B": ambient + 8 + 18 * speed**2 + 10 * load,
        "oil temp.": oil,
        "oil pressure": 4 * np.exp(-0.012 * (oil - 40)) * speed**0.4,
        "flow": 40 * speed * (1 - 0.3 * load**2),
        "vibration x": 0.5 + 1.2 * speed**2 + 2 * resonance,
        "vibration y": 0.6 + 0.9 * speed**2 + 1.4 * resonance * load,
    }
    X = np.stack(list(readings.values()), axis=1)
    return X + 0.03 * X.std(axis=0) * rng.normal(size=X.shape), list(readings)


X_train, sensors = machines(3000)
X_test, _ = machines(4000)
column = {name: number for number, name in enumerate(sensors)}
faults = np.full(len(X_test), "normal", dtype="U20")
kinds = ["drift", "stuck", "lost correlation", "calibration", "damage"]
for number, kind in enumerate(kinds):
    faults[40 * number : 40 * (number + 1)] = kind

changed = ["motor temp.", "flow", "oil temp.", "current", "vibration x"]
drift, stuck, lost, calibration, damage = (
    (np.flatnonzero(faults == kind), column[name])
    for kind, name in zip(kinds, changed, strict=True)
)
X_test[drift] += rng.uniform(5, 15, 40)
X_test[stuck] = 18.0
X_test[lost] = rng.choice(X_test[2000:, column["oil temp."]], 40)
X_test[calibration] *= 0.9
X_test[damage] += 0.6

# %%
# Detection
# ---------
#
# :class:`~skae.ReconstructionDetector` standardizes the features itself. The
# detectors of scikit-learn have their default parameters, except for
# ``novelty=True``. For PCA the score is the reconstruction error of
# standardized features. Its number of components is the one with the highest
# average precision on the test set, an advantage that no other detector has.


def pca_scores(n_components):
    scaler = StandardScaler().fit(X_train)
    pca = PCA(n_components).fit(scaler.transform(X_train))
    scaled = scaler.transform(X_test)
    residual = scaled - pca.inverse_transform(pca.transform(scaled))
    return -np.square(residual).mean(axis=1)


detector = ReconstructionDetector(DenseAutoencoder(5), random_state=0)
lof = LocalOutlierFactor(novelty=True)
detectors = {
    "ReconstructionDetector": detector,
    "IsolationForest": IsolationForest(random_state=0),
    "LocalOutlierFactor": make_pipeline(StandardScaler(), lof),
}
scores = {
    name: one.fit(X_train).score_samples(X_test)
    for name, one in detectors.items()
}
is_fault = faults != "normal"
best = max(
    range(1, 12),
    key=lambda k: average_precision_score(is_fault, -pca_scores(k)),
)
scores[f"PCA, {best} components"] = pca_scores(best)

print(f"{'':24}average precision   ROC-AUC")
for name, values in scores.items():
    precision = average_precision_score(is_fault, -values)
    auc = roc_auc_score(is_fault, -values)
    print(f"{name:24}{precision:17.3f}{auc:10.3f}")

# %%
# Average precision of each kind of fault, against normal rows only:

figure, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
positions = np.arange(len(kinds))
colors = ["tab:blue", "tab:green", "tab:red", "tab:orange"]
for number, (name, values) in enumerate(scores.items()):
    heights = []
    for kind in kinds:
        rows = (faults == kind) | ~is_fault
        heights.append(average_precision_score(is_fault[rows], -values[rows]))
    ax.bar(
        positions + 0.2 * (number - 1.5),
        heights,
        width=0.2,
        color=colors[number],
        label=name,
    )
ax.set_xticks(positions, kinds)
ax.set(ylabel="average precision", ylim=(0, 1.05))
figure.legend(loc="outside upper center", ncols=4, frameon=False)
plt.show()

# %%
# Which sensor is faulty
# ----------------------
#
# ``explain`` returns the decrease of the anomaly score if a sensor had its
# expected value. The means for each kind of fault name the faulty sensor.

contributions = np.stack(
    [
        detector.explain(X_test[faults == kind]).contributions.mean(0)
        for kind in kinds
    ]
)

print("fault             changed sensor   largest contribution")
for kind, name, row in zip(kinds, changed, contributions, strict=True):
    print(f"{kind:18}{name:17}{sensors[row.argmax()]}")

figure, ax = plt.subplots(figsize=(9, 3.4), layout="constrained")
image = ax.imshow(contributions, cmap="viridis", aspect="auto")
ax.set_yticks(range(len(kinds)), kinds)
ax.set_xticks(range(len(sensors)), sensors, rotation=40, ha="right")
figure.colorbar(image, ax=ax, label="mean decrease of the score")
plt.show()

# %%
# A table or a plot explains one row, with the expected value of each sensor:

row = np.flatnonzero(faults == "stuck")[:1]
named = pd.DataFrame(X_test[row], columns=sensors)
detector.fit(pd.DataFrame(X_train, columns=sensors))
print(detector.explain(named).to_frame().head(4).round(2).to_string())

ContributionDisplay.from_estimator(detector, named, max_features=5)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/anomaly_detection` describes scores, thresholds and
# explanations. :ref:`sphx_glr_auto_examples_anomaly_plot_false_alarms.py`
# measures the rate of false alarms.
