"""
Learning from a folder of photographs
=====================================

Photographs lie in files of any size, in a folder for each kind, and may be more than memory holds. How does one learn from
them?
"""

# %%
# First there have to be some. Pieces of two photographs that scikit-learn brings along are written as JPEG files, each of
# another size: those from the left half to learn from, those from the right half to test with.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder, LatentDisplay, ReconstructionDisplay
from skae.datasets import ImageFolder

rng = np.random.default_rng(0)
temporary = TemporaryDirectory()
root = Path(temporary.name)


def pieces(photograph, count):
    """Cut out pieces of random size at random places."""
    for height, width in rng.integers(40, 120, (count, 2)):
        left, top = (
            rng.integers(0, photograph.width - width),
            rng.integers(0, photograph.height - height),
        )
        yield photograph.crop((left, top, left + width, top + height))


for name in ("china", "flower"):
    photograph = Image.fromarray(load_sample_image(f"{name}.jpg"))
    for part, left, right in (("train", 0, 320), ("test", 320, 640)):
        folder = root / part / name
        folder.mkdir(parents=True)
        for number, piece in enumerate(pieces(photograph.crop((left, 0, right, 427)), 300)):
            piece.save(folder / f"{number:03d}.jpg", quality=90)

# %%
# An ``ImageFolder`` finds the files, looks whether each of them is an image, and otherwise waits. It has the shape of an array;
# a number or a slice reads images, cropped and brought to one size. The names of the subfolders are the labels.

train = ImageFolder(root / "train", size=32)
test = ImageFolder(root / "test", size=32)
print(train, train.dtype, train.classes)
print(train[0].shape, train[:10].shape)

# %%
# So it goes wherever an array of images goes: into an autoencoder, a pipeline, or a search. If its images take more than
# 256 MiB in memory, they are streamed from the files, pass by pass, while one batch after the other is learned from.

classifier = Pipeline(
    [("ae", ConvAutoencoder(16, random_state=0)), ("scale", StandardScaler()), ("svc", SVC())]
)
classifier.fit(train, train.labels)
print(
    f"{classifier.score(test, test.labels):.1%} of the pieces of the right halves are put into the right folder"
)

# %%
# Which were not? A mask, or a list of numbers, gives a smaller folder, which still knows its files.

wrong = test[classifier.predict(test) != test.labels]
print(wrong, [Path(path).relative_to(root / "test").as_posix() for path in wrong.paths[:3]])

figure = plt.figure(figsize=(10, 4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.4))
LatentDisplay.from_estimator(classifier["ae"], test, thumbnails=True, ax=left.subplots())
shown = test[np.argsort(test[:].std(axis=(1, 2, 3)))[-60::10]]  # some that are not all sky
ReconstructionDisplay.from_estimator(classifier["ae"], shown, ax=right.subplots())
plt.show()

# %%
# A file that can't be read is found when the folder is made, or, if only its end is missing, in the first pass over it. The
# error says which it is.

(root / "test" / "china" / "notes.jpg").write_text("not an image")
try:
    ImageFolder(root / "test", size=32)
except ValueError as error:
    print(str(error).replace(str(root), "…"))

temporary.cleanup()
