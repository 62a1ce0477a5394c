"""
How clean does a noisy photograph become?
=========================================

A restorer learns from the right halves of two photographs what noise is, and what is not. Then it takes noise away from the
left half of one of them: one model serves all levels of noise that it was told of.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images

from skae import ImageRestorer
from skae.corruptions import Gaussian

photographs = np.stack(load_sample_images().images).mean(-1) / 255  # grey, from 0 to 1
restorer = ImageRestorer(
    Gaussian(level=(0.02, 0.2)), n_filters=16, patch_size=48, max_iter=40, random_state=0
)
restorer.fit(photographs[:, :, 320:])

# %%
# Noise is added to a part that it did not see, with a standard deviation of 5, 10 and 20 percent of white. The restorer is not
# told how much. Photographs are judged by the peak signal-to-noise ratio: 3 dB more are half of the squared error.

clean = photographs[1, 80:280, :300]
rng = np.random.default_rng(0)
figure, axes = plt.subplots(2, 3, figsize=(9, 4.6), layout="constrained")
for (above, below), level in zip(axes.T, (0.05, 0.1, 0.2), strict=True):
    noisy = clean + rng.normal(scale=level, size=clean.shape)
    for axis, image, name in (
        (above, noisy, "noisy"),
        (below, restorer.predict(noisy[None])[0], "restored"),
    ):
        ratio = 10 * np.log10(1 / np.square(image - clean).mean())
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{name}, {ratio:.1f} dB", fontsize=10)
        axis.set_axis_off()
plt.show()

# %%
# More photographs to learn from, and more time, bring more. With ``corruption="patches"``, ``"blur"`` or ``"jpeg"`` the same
# few lines learn to undo other damage.
