"""
A codec in 30 lines
===================

A codec turns images into few bytes, and the bytes back into images that are nearly the same. How far does one get with an
autoencoder, rounding, and Python's own `zlib`? And what more does :class:`~skae.LatentCodec` do?
"""

# %%
# **Codes that may be rounded.** An image of 8 x 8 pixels becomes a code of 24 numbers. Rounded to whole numbers these are
# small, but an ordinary autoencoder is not made for that: a little rounding may do much harm. With the penalty `Rate` it sees
# rounding errors while it is trained, and learns to keep most numbers near zero. ``code_steps_`` says to which multiples they
# can be rounded.

import zlib

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import DenseAutoencoder, LatentCodec
from skae.penalties import Rate

X = load_digits().data
X_train, X_test = X[:1400], X[1400:]
autoencoder = DenseAutoencoder(24, penalty=Rate(weight=0.6), random_state=0).fit(X_train)

# %%
# **The codec.** Codes become whole numbers, those become bytes, and `zlib` finds shorter ones. To be read again, they have to
# be accompanied by how many images there are.


def compress(images):
    """Write images as bytes: how many there are, and their rounded codes, one number of all codes after the other."""
    numbers = np.rint(autoencoder.transform(images) / autoencoder.code_steps_)
    message = np.clip(numbers, -128, 127).astype(np.int8).T.tobytes()
    return len(images).to_bytes(4, "big") + zlib.compress(message, 9)


def decompress(message):
    """Read what `compress` wrote."""
    n_images = int.from_bytes(message[:4], "big")
    numbers = np.frombuffer(zlib.decompress(message[4:]), np.int8).reshape(-1, n_images).T
    return autoencoder.inverse_transform(numbers * autoencoder.code_steps_)


message = compress(X_test)
found = decompress(message)
error = np.square(found - X_test).mean()
plain = len(zlib.compress(X_test.astype(np.uint8).tobytes(), 9)) / len(X_test)
print(f"pixels, by zlib, exactly:   {plain:5.2f} bytes for each image")
print(
    f"codes, by zlib:             {len(message) / len(X_test):5.2f} bytes, mean squared error {error:.2f}"
)

# %%
# **How much is left to gain?** `zlib` looks for repeated pieces, of which codes have few. A number that occurs with probability
# p can be written with ``-log2(p)`` bits by a range coder, on average the entropy of its distribution:

numbers = np.rint(autoencoder.transform(X_test) / autoencoder.code_steps_)
entropy = 0.0
for column in numbers.T:
    shares = np.unique(column, return_counts=True)[1] / len(column)
    entropy -= (shares * np.log2(shares)).sum()
print(f"entropy of the numbers:     {entropy / 8:5.2f} bytes")

figure, ax = plt.subplots(figsize=(9, 2.6), layout="constrained")
spread = np.array([np.mean(column != 0) for column in numbers.T])
ax.bar(np.arange(1, 25), spread[np.argsort(-spread)])
ax.set(
    xlabel="numbers of a code, those that are used most first",
    ylabel="share not 0",
    xticks=[1, 4, 8, 12, 16, 20, 24],
)
plt.show()

# %%
# Half of the 24 numbers were given up in training. They are always 0, and cost nothing.
#
# **The same with LatentCodec.** It has such a coder. Its probabilities are learned in `fit`, each number's from those before
# it, since numbers of a code depend on each other. Its bytes also hold the shape, the dtype, the model that they belong to and
# a checksum. It is fitted for several sizes, the autoencoder by the weight of its penalty, PCA by the step to which its scores
# are rounded. On the right are digits of 64 pixels, and what is read from so many bytes.


def measure(autoencoder, step="auto"):
    """Give bytes for each image, error, and what is read."""
    codec = LatentCodec(autoencoder, step=step, random_state=0).fit(X_train)
    message = codec.compress(X_test)
    found = codec.decompress(message)
    return len(message) / len(X_test), np.square(found - X_test).mean(), found


weights = [0.2, 0.6, 1.8]
learned = [
    measure(DenseAutoencoder(24, penalty=Rate(weight), random_state=0)) for weight in weights
]
linear = [measure(PCA(32), step) for step in (4.0, 7.0, 12.0)]

figure = plt.figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.1])
axes = left.subplots()
for name, points, colour in (
    ("PCA", linear, "tab:gray"),
    ("DenseAutoencoder", learned, "tab:blue"),
):
    axes.plot(
        [point[0] for point in points],
        [point[1] for point in points],
        "o-",
        color=colour,
        label=name,
    )
axes.plot(len(message) / len(X_test), error, "s", color="tab:orange", label="these 30 lines")
axes.set(
    xlabel="bytes per image",
    ylabel="mean squared error, test images",
    ylim=(0, None),
    xlim=(0, None),
)
axes.legend(frameon=False)

rows = [("64 numbers", X_test), *((f"{size:.1f} bytes", found) for size, _, found in learned)]
for line, (label, images) in zip(right.subplots(len(rows), 5), rows, strict=True):
    for place, image in zip(line, images, strict=False):
        place.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        place.set(xticks=[], yticks=[])
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()

# %%
# In numbers. The 30 lines have the same error as the second autoencoder here, with half as many bytes again:

print("            bytes   error")
for name, points in (("PCA", linear), ("autoencoder", learned)):
    for size, error, _ in points:
        print(f"{name:11} {size:5.2f} {error:7.3f}")
