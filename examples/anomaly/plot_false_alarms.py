"""
False alarms and thresholds
===========================

A detector raises an alarm if the score of a row is below a threshold. With
``contamination=0.05`` the threshold is the 5 % quantile of the scores of the
training set. New normal rows often have lower scores than the training set,
and raise more false alarms. A threshold from a second set of normal rows
avoids this.
"""

# %%
# Normal rows
# -----------
#
# The generated table has 20 columns, which depend nonlinearly on three hidden
# quantities. A fourth of the normal rows is kept for the threshold.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from skae import DenseAutoencoder, ReconstructionDetector

rng = np.random.default_rng(0)
weights = 0.7 * rng.normal(size=(3, 20))


def normal_rows(n_samples):
    X = np.sin(rng.normal(size=(n_samples, 3)) @ weights)
    return X + 0.1 * rng.normal(size=X.shape)


X_train, X_threshold = normal_rows(1500), normal_rows(500)
X_new = normal_rows(20_000)

# %%
# Rate of false alarms
# --------------------
#
# Both thresholds are meant for 5 % of false alarms. The first one is set by
# ``contamination``. The second one is the 5 % quantile of the scores of the
# 500 rows, which are not part of any fit. The standard error of a rate from
# 500 rows is one percentage point.

level = 0.05
detectors = {
    "ReconstructionDetector": ReconstructionDetector(
        DenseAutoencoder(4), random_state=0
    ),
    "  with PCA": ReconstructionDetector(PCA(4), random_state=0),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "EllipticEnvelope": EllipticEnvelope(random_state=0),
    "IsolationForest": IsolationForest(random_state=0),
}
rates, scores = {}, {}
print("false alarms on new rows   contamination=0.05   second set")
for name, detector in detectors.items():
    detector.set_params(contamination=level).fit(X_train)
    scores[name] = detector.score_samples(X_new)
    threshold = np.quantile(detector.score_samples(X_threshold), level)
    rates[name] = [
        np.mean(scores[name] < detector.offset_),
        np.mean(scores[name] < threshold),
    ]
    print(f"{name:26}{rates[name][0]:19.1%}{rates[name][1]:13.1%}")

# %%
# Detected anomalies at equal rates of false alarms
# -------------------------------------------------
#
# More false alarms come with more detected anomalies. A fair comparison needs
# equal rates of false alarms. The anomalies are normal rows with two columns
# from other rows.

anomalies, other = normal_rows(5000), normal_rows(5000)
for row, replacement in zip(anomalies, other, strict=True):
    columns = rng.choice(20, 2, replace=False)
    row[columns] = replacement[columns]

levels = np.array([0.01, 0.02, 0.05, 0.1])
colors = ["tab:blue", "tab:orange", "tab:red", "tab:purple", "tab:green"]
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

figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
names = [name.strip() for name in detectors]
positions = np.arange(len(names))
first, second = zip(*rates.values(), strict=True)
axes[0].barh(positions - 0.2, first, 0.4, label="contamination=0.05")
axes[0].barh(positions + 0.2, second, 0.4, label="second set of rows")
axes[0].axvline(level, color="black", ls="--", lw=1)
axes[0].set_yticks(positions, names)
axes[0].invert_yaxis()
axes[0].set(xlabel="false alarms on new rows", xlim=(0, 0.14))
axes[0].legend(frameon=False, loc="lower right")
for name, values, color in zip(names, detected.values(), colors, strict=True):
    axes[1].plot(levels, values, "o-", color=color, label=name)
axes[1].set(
    xscale="log",
    xlabel="false alarms on new rows",
    ylabel="detected anomalies",
    ylim=(0, 1),
)
axes[1].set_xticks(levels, [f"{one:.0%}" for one in levels])
axes[1].minorticks_off()
axes[1].legend(frameon=False, fontsize=8)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/anomaly_detection` describes the default threshold, which does
# not depend on `contamination`, and other ways to set a threshold.
