"""
Wrong entries in a table of customers
=====================================

A data frame with numbers, categories and missing cells goes into a detector as
it is. The detector finds entries that contradict the other columns of a row,
and names them.
"""

# %%
# A table with categories
# -----------------------
#
# Two hidden factors, age and wealth, determine the columns. Some cells are
# missing.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay

from skae import ContributionDisplay, DenseAutoencoder, ReconstructionDetector


def sample_customers(n, rng):
    age, wealth = rng.uniform(18, 90, n), rng.normal(size=n)
    jobs = np.array(["student", "employed", "retired"])
    job = jobs[np.digitize(age + 3 * rng.normal(size=n), [26, 66])]
    homes = ["shared", "rented", "owned"]
    home = pd.cut(
        wealth + age / 40, [-9, 0.5, 1.5, 9], labels=homes, ordered=True
    )
    return pd.DataFrame(
        {
            "age": np.rint(age).astype("int64"),
            "income": 3e4 * np.exp(0.4 * wealth) * (job != "student") + 5e3,
            "job": job,
            "home": home,
            "pension": job == "retired",
        }
    )


rng = np.random.default_rng(0)
table = sample_customers(800, rng)
table = table.astype({"age": "Int64", "pension": "boolean"})
incomplete = table.mask(rng.random(table.shape) < 0.03)
print(incomplete.head())

# %%
# Fit a detector
# --------------
#
# Each column has the same weight in the autoencoder. ``allow_nan`` accepts the
# missing cells.

detector = ReconstructionDetector(
    DenseAutoencoder(3, allow_nan=True, random_state=0),
    contamination=0.02,
    random_state=0,
).fit(incomplete)

# %%
# Find wrong entries
# ------------------
#
# One entry of each new row is replaced by that of another row.

new = sample_customers(200, rng).astype(table.dtypes)
wrong = new.copy()
columns = rng.choice(["job", "pension"], len(new))
for i, name in enumerate(columns):
    values = new.loc[new[name] != new[name][i], name]
    wrong.loc[i, name] = values.iloc[rng.integers(len(values))]

scores = detector.score_samples(wrong)
found = detector.predict(wrong) == -1
false_alarms = (detector.predict(new) == -1).mean()
print(f"found {found.mean():.0%}, false alarms {false_alarms:.0%}")

# %%
# Which entry is wrong?
# ---------------------
#
# ``explain`` returns the contribution of each column to the score, and the
# value that would lower the score most.

explanation = detector.explain(wrong)
names = np.array(explanation.feature_names)
named = names[explanation.contributions.argmax(axis=1)]
print(explanation.to_frame(int(scores.argmin())))

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), layout="constrained"
)
ConfusionMatrixDisplay.from_predictions(
    columns[found], named[found], labels=names, ax=left, colorbar=False
)
left.set(xlabel="named by the detector", ylabel="wrong column")
ContributionDisplay.from_estimator(
    detector, wrong.iloc[[int(scores.argmin())]], ax=right
)
