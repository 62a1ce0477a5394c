"""
Training in several processes
=============================

One script fits an autoencoder in one process, or on several GPUs and
machines. The result is the same up to rounding, so the only question is how
many processes are worth their price.
"""

# %%
# The script
# ----------
#
# ``python script.py`` runs it in one process, as on this page.
# ``torchrun --nproc-per-node 2 script.py`` runs it in two. All processes call
# `fit` with the same arguments; the first one prints.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import DenseAutoencoder, distributed

distributed.start()
X = load_digits().data
parameters = {
    "n_components": 8,
    "validation_fraction": 0.1,
    "random_state": 0,
}
autoencoder = DenseAutoencoder(max_iter=20, **parameters).fit(X)
if distributed.first():
    print(f"score: {autoencoder.score(X):.4f}")
    print(f"best epoch: {autoencoder.best_iter_}")

# %%
# How many processes pay
# ----------------------
#
# Each of N processes computes a step with 512 / N samples, and then all
# gradients are added. The time of a step is measured with smaller batches in
# one process. The time of the sum follows from the number of weights, 4 bytes
# each: a ring sends nearly twice as many bytes.

rng = np.random.default_rng(0)
counts = np.array([1, 2, 4, 8, 16])
seconds = []
with distributed.alone():
    for n_processes in counts:
        batch_size = 512 // n_processes
        rows = rng.normal(size=(20 * batch_size, 784)).astype(np.float32)
        model = DenseAutoencoder(
            32,
            batch_size=batch_size,
            max_iter=3,
            early_stopping=False,
            hidden_layer_sizes=(256, 512, 1024),
            random_state=0,
        )
        history = model.fit(rows).history_
        # the fastest epoch of 20 steps
        seconds.append(history["seconds"].min() / 20)
seconds = np.array(seconds)

weights = model.net_.module_.parameters()
n_weights = sum(weight.numel() for weight in weights)
n_bytes = 2 * 4 * n_weights * (counts - 1) / counts
print(f"{n_weights:,} weights, {n_bytes[-1] / 2**20:.1f} MiB per step")
for count, time in zip(counts, seconds, strict=True):
    print(f"{512 // count:4} samples: {1000 * time:6.2f} ms")

# %%
# The slower the network, the fewer processes pay. A fast processor needs a
# faster network:

figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for name, bytes_per_second in (
    ("no communication", np.inf),
    ("100 Gbit/s", 100e9 / 8),
    ("10 Gbit/s", 10e9 / 8),
    ("1 Gbit/s", 1e9 / 8),
):
    total = seconds + n_bytes / bytes_per_second
    ax.plot(counts, total[0] / total, "o-", label=name)
ax.plot(counts, counts, color="0.75", lw=1, label="ideal")
ax.set_xscale("log", base=2)
ax.set_yscale("log", base=2)
ax.set(xlabel="processes", ylabel="speed, relative to one process")
ax.legend(frameon=False)
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/distributed` describes shards, failures and restarts, and
# recipes for clusters.
