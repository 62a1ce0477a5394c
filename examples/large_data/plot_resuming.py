"""
Resuming a fit after a crash
============================

A long fit should survive the end of its process, such as the time limit of a
cluster. With ``checkpoint_dir`` a fit writes its state to a folder. The same
call of `fit` in a new process resumes the training, with the result of an
uninterrupted fit.
"""

# %%
# A fit that is terminated
# ------------------------
#
# A callback of scikit-learn counts the epochs and sends the termination
# signal SIGTERM after twelve of them, as a job scheduler does. The signal
# usually ends the process. Here it raises an exception instead, so that the
# example continues.

import signal
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import DenseAutoencoder

X = load_digits().data
X_train, X_test = X[:1400], X[1400:]


class Terminated(Exception):
    pass


def raise_terminated(number, frame):
    raise Terminated


class EpochCounter:
    def __init__(self, terminate_after=None):
        self.terminate_after = terminate_after
        self.n_epochs = 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, **kwargs):
        if context.task_name == "epoch":
            self.n_epochs += 1
            if self.n_epochs == self.terminate_after:
                signal.raise_signal(signal.SIGTERM)

    def teardown(self, estimator, context):
        pass


folder = TemporaryDirectory()
parameters = {
    "n_components": 8,
    "max_iter": 40,
    "early_stopping": False,
    "random_state": 0,
}
autoencoder = DenseAutoencoder(**parameters, checkpoint_dir=folder.name)
first = EpochCounter(terminate_after=12)
previous = signal.signal(signal.SIGTERM, raise_terminated)
try:
    autoencoder.set_callbacks(first).fit(X_train)
except Terminated:
    print(f"terminated after {first.n_epochs} epochs")
signal.signal(signal.SIGTERM, previous)

# %%
# The resumed fit
# ---------------
#
# The same parameters and the same data lead to the same checkpoint. The fit
# trains the remaining epochs. An uninterrupted fit and PCA serve as
# references.

resumed = DenseAutoencoder(**parameters, checkpoint_dir=folder.name)
second = EpochCounter()
resumed.set_callbacks(second).fit(X_train)

third = EpochCounter()
reference = DenseAutoencoder(**parameters).set_callbacks(third).fit(X_train)

pca = PCA(8).fit(X_train)
from_pca = pca.inverse_transform(pca.transform(X_test))
pca_error = np.square(X_test - from_pca).mean()

print("                   epochs of this fit   mean squared error")
for name, counter, model in (
    ("resumed fit", second, resumed),
    ("uninterrupted fit", third, reference),
):
    error = model.reconstruction_error(X_test).mean()
    print(f"{name:18}{counter.n_epochs:19}{error:21.4f}")
print(f"{'PCA':18}{'':19}{pca_error:21.4f}")

equal = np.array_equal(resumed.transform(X_test), reference.transform(X_test))
print(f"\nlatent vectors are equal: {equal}")

# %%
# The training losses of both fits are equal as well:

figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
epochs = np.arange(1, 41)
ax.plot(
    epochs, reference.loss_curve_, color="0.75", lw=6, label="uninterrupted"
)
ax.plot(epochs[:12], resumed.loss_curve_[:12], label="before termination")
ax.plot(epochs[11:], resumed.loss_curve_[11:], label="resumed")
ax.axvline(12, color="black", ls="--", lw=1)
ax.set(xlabel="epoch", ylabel="training loss")
ax.legend(frameon=False)
plt.show()

# %%
# A finished fit
# --------------
#
# A third call reads the result from the folder and trains no epoch.
# ``clear_checkpoints`` removes the files of finished fits.

from skae import clear_checkpoints

again = EpochCounter()
resumed.set_callbacks(again).fit(X_train)
print(f"epochs of a third call: {again.n_epochs}")
clear_checkpoints(folder.name)
folder.cleanup()

# %%
# Guide
# -----
#
# :doc:`/guide/resuming` lists the moments at which checkpoints are written,
# and describes searches and `partial_fit`.
