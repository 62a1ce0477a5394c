"""
How clean does a noisy photograph become?
=========================================

A restorer learns from one photograph what noise is, and what is not. Then it takes noise away from another photograph, whatever
there is of it: one model serves all levels that it was told of.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images

from skae import ImageRestorer

china, flower = load_sample_images().images
restorer = ImageRestorer("gaussian", (0.02, 0.2), n_filters=16, max_iter=20, random_state=0).fit(china[None])

# %%
# Noise is added to a part of the other photograph, with a standard deviation of 5, 10 and 20 percent of white. The restorer isn't
# told how much it is. Photographs are judged by the peak signal-to-noise ratio: 3 dB more are half of the squared error.

clean = flower[60:260, 180:480].astype(float)
rng = np.random.default_rng(0)
figure, axes = plt.subplots(2, 3, figsize=(9, 4.6), layout="constrained")
for (above, below), level in zip(axes.T, (0.05, 0.1, 0.2), strict=True):
    noisy = clean + rng.normal(scale=level * 255, size=clean.shape)
    for axis, image, name in ((above, noisy, "noisy"), (below, restorer.predict(noisy[None])[0], "restored")):
        ratio = 10 * np.log10(255**2 / np.square(image - clean).mean())
        axis.imshow(np.clip(image / 255, 0, 1))
        axis.set_title(f"{name}, {ratio:.1f} dB", fontsize=10)
        axis.set_axis_off()

# %%
# More photographs to learn from, and more time, bring more. With ``corruption="patches"``, ``"blur"`` or ``"jpeg"`` the same few
# lines learn to undo other damage.
