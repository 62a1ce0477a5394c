"""Use an installed wheel as a user would: run in an empty folder, by a Python that has skae and what it needs, but no more."""

import importlib.metadata
import pickle
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

import skae
from skae import export

package = Path(skae.__file__).parent
assert package.is_relative_to(sys.prefix), package
assert (package / "py.typed").is_file()
assert importlib.metadata.version("skae") == skae.__version__

X, y = load_digits(return_X_y=True)
autoencoder = skae.DenseAutoencoder(8, max_iter=3, random_state=0)
pipeline = make_pipeline(autoencoder, SVC()).fit(X[:1000], y[:1000])
assert pipeline.score(X[1000:], y[1000:]) > 0.8
assert np.array_equal(pickle.loads(pickle.dumps(pipeline)).predict(X), pipeline.predict(X))
images = X.reshape(-1, 8, 8)[:100]
assert (
    skae.ConvAutoencoder(4, max_iter=1, random_state=0).fit(images).reconstruct(images).shape
    == images.shape
)
assert skae.ReconstructionDetector(autoencoder, random_state=0).fit(X[:200]).predict(X).shape == (
    len(X),
)
assert skae.LatentSampler(autoencoder, random_state=0).fit(X).sample(3).shape == (3, 64)

for use, extra in (
    (lambda: export.save(autoencoder.fit(X), "x"), "safe"),
    (lambda: export.to_onnx(autoencoder.fit(X), "x"), "onnx"),
    (lambda: skae.TrainingDisplay.from_estimator(autoencoder.fit(X)), "plot"),
):
    try:
        use()
        found = "no error"
    except ImportError as error:
        found = str(error)
    assert f"pip install skae[{extra}]" in found, found
print(f"skae {skae.__version__} in {package}")
