"""
A Pipeline as an ONNX file
==========================

A fitted Pipeline of a scaler, an autoencoder and a classifier becomes one
ONNX file. ONNX Runtime executes the file without scikit-learn, PyTorch and
skae. This example compares the predictions and the time of a prediction.
"""

# %%
# Fit and export
# --------------
#
# The data are 30 measurements of cell nuclei, of benign and malignant
# tumors. PCA with as many components serves as a reference.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import DenseAutoencoder
from skae.export import to_onnx

X, y = load_breast_cancer(return_X_y=True)
X = X.astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state=0
)

pipeline = make_pipeline(
    StandardScaler(),
    DenseAutoencoder(3, target_weight=1, random_state=0),
    LogisticRegression(),
).fit(X_train, y_train)
# without labels in the dimensionality reduction
pca_pipeline = make_pipeline(StandardScaler(), PCA(3), LogisticRegression())
pca_pipeline.fit(X_train, y_train)

folder = TemporaryDirectory()
path = Path(folder.name) / "pipeline.onnx"
to_onnx(pipeline, path)
print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
print(f"accuracy: {pipeline.score(X_test, y_test):.3f}", end="")
print(f", with PCA: {pca_pipeline.score(X_test, y_test):.3f}")

# %%
# Predictions of the file
# -----------------------
#
# The file has one input, "X", with any number of rows. The outputs are the
# labels and the probabilities.

session = onnxruntime.InferenceSession(path)
for output in session.get_outputs():
    print(output.name, output.type, output.shape)

label_name, probability_name = (one.name for one in session.get_outputs())
labels, probabilities = session.run(
    [label_name, probability_name], {"X": X_test}
)
malignant = np.array([row[0] for row in probabilities])
expected = pipeline.predict_proba(X_test)[:, 0]
print(f"equal labels: {np.mean(labels == pipeline.predict(X_test)):.1%}")
print(
    f"largest difference of probabilities: {np.ptp(malignant - expected):.0e}"
)

# %%
# Time of a prediction
# --------------------
#
# Shortest time of 50 calls, with one row and with all test rows.

from time import perf_counter


def milliseconds(predict, rows, repeats=50):
    times = []
    for _ in range(repeats):
        start = perf_counter()
        predict(rows)
        times.append(1000 * (perf_counter() - start))
    return min(times)


def predict_onnx(rows):
    return session.run([label_name], {"X": rows})[0]


sizes = (1, len(X_test))
times = {
    name: [milliseconds(predict, X_test[:size]) for size in sizes]
    for name, predict in {
        "Pipeline, PCA": pca_pipeline.predict,
        "Pipeline, autoencoder": pipeline.predict,
        "ONNX Runtime": predict_onnx,
    }.items()
}
print(f"milliseconds{'':12}{'1 row':>8}{f'{sizes[1]} rows':>12}")
for name, values in times.items():
    print(f"{name:24}{values[0]:8.2f}{values[1]:12.2f}")

figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
axes[0].plot([0, 1], [0, 1], color="0.7", lw=1)
for label, name in enumerate(("malignant", "benign")):
    rows = y_test == label
    axes[0].plot(expected[rows], malignant[rows], ".", label=name)
axes[0].set(
    xlabel="predict_proba of the Pipeline",
    ylabel="output of the ONNX file",
    title="probability of malignant",
)
axes[0].legend(frameon=False)
axes[1].barh(list(times), [values[0] for values in times.values()])
axes[1].invert_yaxis()
axes[1].set(xscale="log", xlabel="milliseconds", title="prediction of one row")
plt.show()

folder.cleanup()

# %%
# Guide
# -----
#
# :doc:`/guide/onnx` describes the export of encoders, decoders and detectors.
# :doc:`/guide/saving` compares ONNX with files for Python.
