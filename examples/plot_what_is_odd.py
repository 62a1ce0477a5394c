"""
Hunting anomalies
=================

Something is wrong with a few of many rows, nobody knows what, and nobody has labelled them. A detector that has seen what is
normal looks for rows that are not like it. How well does it find them, where does it draw the line, and what does it say is
odd about them?
"""

# %%
# A table
# -------
#
# Measurements of 569 tumours. The detector sees 200 benign ones and nothing else. The others, benign and malignant, are new to
# it. As every detector of scikit-learn does, it gives low scores to what is unusual.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import DenseAutoencoder, ReconstructionDetector

data = load_breast_cancer()
benign, malignant = data.data[data.target == 1], data.data[data.target == 0]
seen, test = benign[:200], np.concatenate([benign[200:], malignant])
odd = np.arange(len(test)) >= len(benign) - 200

detector = ReconstructionDetector(random_state=0).fit(seen)
others = {
    "isolation forest": IsolationForest(random_state=0),
    "local outlier factor": make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)),
}
print("area under the ROC curve, 0.5 is guessing")
for name, one in {"ReconstructionDetector": detector, **others}.items():
    scores = one.fit(seen).score_samples(test)
    print(f"{name:24} {roc_auc_score(~odd, scores):.3f}")

# %%
# Where is the line?
# ------------------
#
# A score only sorts rows. ``predict`` needs a threshold, ``offset_``. By default it is where a box plot of the scores of normal
# rows begins to draw single points. Who knows that a share of the rows seen is bad says so by ``contamination``; who can look
# at so many rows a day takes the lowest.

scores = detector.score_samples(test)
figure, ax = plt.subplots(figsize=(9, 2.8), layout="constrained")
bins = np.geomspace(-scores.max(), -scores.min(), 50)
ax.hist(
    [-scores[~odd], -scores[odd]],
    bins,
    stacked=True,
    label=["benign", "malignant"],
    color=["tab:blue", "tab:orange"],
)
ax.axvline(-detector.offset_, color="black", linewidth=1, label="threshold")
ax.set(xscale="log", xlabel="how odd: the score with a minus; 1 is usual", ylabel="tumours")
ax.set_xticks([0.3, 1, 3, 10, 30, 100, 300], ["0.3", "1", "3", "10", "30", "100", "300"])
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()
found = detector.predict(test) == -1
print(
    f"beyond the threshold: {found[odd].mean():.1%} of the malignant ones, {found[~odd].mean():.1%} of the benign ones"
)

# %%
# What is odd about a row?
# ------------------------
#
# ``error_map`` gives the error of each column over what is usual for it. Averaged over the malignant tumours it says what they
# have in common that benign ones have not:

errors = detector.error_map(malignant).mean(axis=0)
for column in np.argsort(-errors)[:5]:
    print(f"{data.feature_names[column]:24} {errors[column]:6.1f} times the usual error")

# %%
# Images
# ------
#
# A detector that has seen nothing but zeros looks at all of scikit-learn's digits. It is trained on half of the zeros, and
# scores the other half and all the rest.

X, y = load_digits(return_X_y=True)
zeros, rest = X[y == 0], X[y != 0]
detector = ReconstructionDetector(DenseAutoencoder(16), standardize=False, random_state=0).fit(
    zeros[::2]
)
test = np.concatenate([zeros[1::2], rest])
odd = np.repeat([False, True], [len(zeros[1::2]), len(rest)])
scores = detector.score_samples(test)
print(f"ROC-AUC {roc_auc_score(~odd, scores):.4f}")
print(
    f"taken for anomalies: {np.mean(detector.predict(test[odd]) == -1):.1%} of the others", end=", "
)
print(f"{np.mean(detector.predict(test[~odd]) == -1):.1%} of the zeros")

# %%
# Left, the two parts of the score, and the line where their weighted sum is the threshold. Right, the zeros that fit in worst
# and the other digits that fit in best, with the errors of their pixels, in units of what is usual for a pixel.

errors, distances = detector.score_parts(test)
figure = plt.figure(figsize=(10, 4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.2))
axes = left.subplots()
for which, label, colour in ((odd, "other digits", "tab:orange"), (~odd, "zeros", "tab:blue")):
    axes.loglog(
        errors[which],
        distances[which],
        ".",
        color=colour,
        label=label,
        alpha=0.5,
        markeredgewidth=0,
    )
weight = detector.code_weight
most = -detector.offset_ * (1 + weight)  # of errors + weight * distances
along = np.geomspace(errors.min(), 0.999 * most, 200)
axes.loglog(along, (most - along) / weight, color="black", linewidth=1, label="threshold")
axes.set(
    xlabel="error of the reconstruction",
    ylabel="distance of the code",
    ylim=(distances.min() / 2, None),
)
axes.legend(frameon=False)

rows = right.subplots(4, 4)
for column, kind in ((0, ~odd), (2, odd)):
    order = np.flatnonzero(kind)[np.argsort(scores[kind])]
    shown = order[:4] if column == 0 else order[-4:]
    for line, number in zip(rows, shown, strict=True):
        line[column].imshow(test[number].reshape(8, 8), cmap="gray_r")
        line[column + 1].imshow(
            detector.error_map(test[[number]]).reshape(8, 8), cmap="magma", vmin=0, vmax=20
        )
for title, one in zip(
    ["oddest zeros", "their errors", "most like zeros", "their errors"], rows[0], strict=True
):
    one.set_title(title, fontsize=10)
for one in rows.flat:
    one.set(xticks=[], yticks=[])
plt.show()
