"""
Streaming of a file that is larger than memory
==============================================

An array in a file is used for training without reading the file into memory.
`fit` accepts memory maps, HDF5 datasets, zarr arrays and dask arrays, and
streams them in blocks if they are larger than 256 MiB.
"""

# %%
# A memory-mapped file
# --------------------
#
# The file has 35,000 rows and 1,000 columns of float64, which is 280 MB. The
# columns depend nonlinearly on eight hidden quantities.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import IncrementalPCA
from sklearn.utils import gen_batches

from skae import DenseAutoencoder

rng = np.random.default_rng(0)
weights = rng.normal(size=(8, 1000)).astype(np.float32)


def rows(n_samples):
    hidden = rng.normal(size=(n_samples, 8)).astype(np.float32)
    X = np.tanh(hidden @ weights / 3)
    return X + 0.05 * rng.standard_normal(X.shape, dtype=np.float32)


folder = TemporaryDirectory()
path = Path(folder.name) / "X.npy"
X = np.lib.format.open_memmap(path, mode="w+", shape=(35_000, 1000))
for block in gen_batches(len(X), 5000):
    X[block] = rows(5000)
X.flush()

X_train = np.load(path, mmap_mode="r")
X_test = rows(2000)
print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB")

# %%
# Memory of a fit
# ---------------
#
# ``tracemalloc`` measures the peak memory of NumPy arrays, such as the blocks
# that are read from the file. It does not count the tensors of PyTorch: the
# network, and a shuffle buffer of at most 128 MB. The errors are compared with
# ``IncrementalPCA`` on batches.

import tracemalloc


def measure(function):
    tracemalloc.start()
    result = function()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return result, peak


def fit_incremental_pca():
    pca = IncrementalPCA(8)
    for block in gen_batches(len(X_train), 2000, min_batch_size=8):
        pca.partial_fit(X_train[block])
    return pca


autoencoder = DenseAutoencoder(8, max_iter=2, random_state=0)
_, peak = measure(lambda: np.array(X_train))
pca = fit_incremental_pca()
_, autoencoder_peak = measure(lambda: autoencoder.fit(X_train))
peaks = {
    "reading the file": peak,
    "DenseAutoencoder": autoencoder_peak,
}

from_pca = pca.inverse_transform(pca.transform(X_test))
errors = {
    "IncrementalPCA": np.square(X_test - from_pca).mean(),
    "DenseAutoencoder": autoencoder.reconstruction_error(X_test).mean(),
}
for name, peak in peaks.items():
    print(f"{name:18}{peak:10.0f} MB of arrays")
for name, error in errors.items():
    print(f"{name:18}{error:10.4f} mean squared error")

# %%
# Latent vectors to a file
# ------------------------
#
# ``transform`` of the whole file returns an array in memory. For more rows,
# write the latent vectors of one block after the other.

path_codes = Path(folder.name) / "codes.npy"
codes = np.lib.format.open_memmap(
    path_codes, mode="w+", dtype=np.float32, shape=(len(X_train), 8)
)
for block in gen_batches(len(X_train), 5000):
    codes[block] = autoencoder.transform(X_train[block])
print(f"{path_codes.name}: {path_codes.stat().st_size / 1e6:.1f} MB")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
colors = ["tab:gray", "tab:orange", "tab:blue"]
axes[0].barh(list(peaks), list(peaks.values()), color=colors[::2])
axes[0].invert_yaxis()
axes[0].set(xlabel="peak memory of arrays (MB)")
axes[1].barh(list(errors), list(errors.values()), color=colors[1:])
axes[1].invert_yaxis()
axes[1].axvline(0.05**2, color="black", ls="--", lw=1)
axes[1].set(xlabel="mean squared error (dashed: noise)")
plt.show()

folder.cleanup()

# %%
# Guide
# -----
#
# :doc:`/guide/large_data` lists the supported kinds of files and their order
# of reading, and :doc:`/guide/gpu` describes training on a GPU.
