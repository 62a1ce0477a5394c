"""
Which digits are odd, and where
===============================

A detector that has seen nothing but zeros looks at all digits. Which does it take for anomalies, and which pixels say so?
"""

# %%
# It is trained on half of the zeros of scikit-learn's digits, and scores the other half and all the rest.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from skae import DenseAutoencoder, ReconstructionDetector

X, y = load_digits(return_X_y=True)
zeros, rest = X[y == 0], X[y != 0]
detector = ReconstructionDetector(DenseAutoencoder(16), standardize=False, random_state=0).fit(zeros[::2])
test = np.concatenate([zeros[1::2], rest])
odd = np.repeat([False, True], [len(zeros[1::2]), len(rest)])
scores = detector.score_samples(test)
print(f"ROC-AUC {roc_auc_score(odd, -scores):.4f}")
print(f"taken for anomalies: {np.mean(detector.predict(test[odd]) == -1):.1%} of the others", end=", ")
print(f"{np.mean(detector.predict(test[~odd]) == -1):.1%} of the zeros")

# %%
# Left, the two parts of the score, and the line where their weighted sum is the threshold. Right, the zeros that fit in worst
# and the other digits that fit in best, with the errors of their pixels, in units of what is usual for a pixel.

errors, distances = detector.score_parts(test)
figure = plt.figure(figsize=(10, 4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.2))
axes = left.subplots()
for which, label, colour in ((odd, "other digits", "tab:orange"), (~odd, "zeros", "tab:blue")):
    axes.loglog(errors[which], distances[which], ".", color=colour, label=label, alpha=0.5, markeredgewidth=0)
weight = detector.code_weight
most = -detector.offset_ * (1 + weight)  # of errors + weight * distances
along = np.geomspace(errors.min(), 0.999 * most, 200)
axes.loglog(along, (most - along) / weight, color="black", linewidth=1, label="threshold")
axes.set(xlabel="error of the reconstruction", ylabel="distance of the code", ylim=(distances.min() / 2, None))
axes.legend(frameon=False)

rows = right.subplots(4, 4)
for column, kind in ((0, ~odd), (2, odd)):
    order = np.flatnonzero(kind)[np.argsort(scores[kind])]
    shown = order[:4] if column == 0 else order[-4:]
    for line, number in zip(rows, shown, strict=True):
        line[column].imshow(test[number].reshape(8, 8), cmap="gray_r")
        line[column + 1].imshow(detector.error_map(test[[number]]).reshape(8, 8), cmap="magma", vmin=0, vmax=20)
for title, one in zip(["oddest zeros", "their errors", "likest others", "their errors"], rows[0], strict=True):
    one.set_title(title, fontsize=10)
for one in rows.flat:
    one.set(xticks=[], yticks=[])
plt.show()
