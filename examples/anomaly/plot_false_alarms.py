"""
False alarm rates and p-values
==============================

A detector raises an alarm if the score of a row is below a threshold. With
``contamination=0.05`` most detectors use the 5 % quantile of the scores of the
training set. New normal rows often have lower scores than the training set,
and raise more false alarms. ``set_threshold`` of
:class:`~skae.ReconstructionDetector` uses scores of training rows that the
autoencoder was not fitted on.
"""

# %%
# Normal rows
# -----------
#
# The generated table has 20 columns, which depend nonlinearly on three hidden
# quantities.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import false_discovery_control
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from skae import DenseAutoencoder, ReconstructionDetector

rng = np.random.default_rng(0)
weights = 0.7 * rng.normal(size=(3, 20))


def normal_rows(n_samples):
    X = np.sin(rng.normal(size=(n_samples, 3)) @ weights)
    return X + 0.1 * rng.normal(size=X.shape)


X_train, X_new = normal_rows(3000), normal_rows(20_000)

# %%
# Rate of false alarms
# --------------------
#
# All thresholds are meant for 5 % of false alarms. The standard error of a
# rate from 3,000 training rows is 0.4 percentage points.

level = 0.05
detectors = {
    "ReconstructionDetector": ReconstructionDetector(
        DenseAutoencoder(4), random_state=0
    ),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "EllipticEnvelope": EllipticEnvelope(random_state=0),
    "IsolationForest": IsolationForest(random_state=0),
}
scores = {}
print("false alarms on new rows, 5.0% expected")
for name, detector in detectors.items():
    detector.set_params(contamination=level).fit(X_train)
    scores[name] = detector.score_samples(X_new)
    rate = np.mean(scores[name] < detector.offset_)
    print(f"{name:26}{rate:8.1%}")

# %%
# Other rates need no new fit:

detector = detectors["ReconstructionDetector"]
for rate in (0.001, 0.01, 0.05, 0.1):
    alarms = detector.set_threshold(rate).predict(X_new) == -1
    print(f"expected {rate:6.1%}   measured {alarms.mean():6.2%}")

# %%
# Detected anomalies at equal rates of false alarms
# -------------------------------------------------
#
# More false alarms come with more detected anomalies. A fair comparison needs
# equal rates of false alarms. The anomalies are normal rows with four columns
# from other rows.

anomalies, other = normal_rows(5000), normal_rows(5000)
for row, replacement in zip(anomalies, other, strict=True):
    columns = rng.choice(20, 4, replace=False)
    row[columns] = replacement[columns]

levels = np.array([0.01, 0.02, 0.05, 0.1])
detected = {
    name: [
        np.mean(detector.score_samples(anomalies) < threshold)
        for threshold in np.quantile(scores[name], levels)
    ]
    for name, detector in detectors.items()
}
print("false alarms            " + "".join(f"{one:8.0%}" for one in levels))
for name, values in detected.items():
    print(f"{name:24}" + "".join(f"{value:8.1%}" for value in values))

# %%
# False discoveries in a batch
# ----------------------------
#
# With 5 % of false alarms, most alarms are false if anomalies are rare. The
# procedure of Benjamini and Hochberg limits the fraction of false alarms among
# the alarms of a batch. It needs the p-values of the detector.

batch = np.concatenate([X_new[:2000], anomalies[:200]])
is_anomaly = np.arange(len(batch)) >= 2000
p_values = detector.p_values(batch)
selected = false_discovery_control(p_values) <= 0.2
for name, alarms in (
    ("p <= 5 %", p_values <= 0.05),
    ("at most 20 % false", selected),
):
    share = np.mean(~is_anomaly[alarms])
    print(f"{name:20}{alarms.sum():5d} alarms, {share:.0%} of them false")

figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
colors = ["tab:blue", "tab:red", "tab:purple", "tab:green"]
for (name, values), color in zip(detected.items(), colors, strict=True):
    axes[0].plot(levels, values, "o-", color=color, label=name)
axes[0].set(
    xscale="log",
    xlabel="false alarms on new rows",
    ylabel="detected anomalies",
    ylim=(0, 1),
)
axes[0].set_xticks(levels, [f"{one:.0%}" for one in levels])
axes[0].minorticks_off()
axes[0].legend(frameon=False, fontsize=8)
bins = np.linspace(0, 1, 21)
axes[1].hist(detector.p_values(X_new), bins, alpha=0.7, label="normal rows")
axes[1].hist(detector.p_values(anomalies), bins, alpha=0.7, label="anomalies")
axes[1].set(xlabel="p-value", ylabel="rows", yscale="log")
axes[1].legend(frameon=False)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/anomaly_detection` describes thresholds and p-values.
