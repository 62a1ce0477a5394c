"""Folders of images in estimators, splits and searches."""

import pickle

import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV, cross_val_predict, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skae import LatentCodec, ReconstructionDetector, ReconstructionDisplay
from skae._input import streaming
from skae.datasets import ImageFolder

from .data import N, conv


def test_small_folders_are_fitted_as_arrays(digits_folder):
    """Results of a folder that fits into memory are bitwise those of its array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    fitted = conv().fit(folder)
    assert fitted.image_shape_ == (8, 8)
    assert_array_equal(fitted.transform(folder), conv().fit(images).transform(images))


def test_folders_are_streamed(digits_folder, streams):
    """A folder larger than memory is streamed, and all methods have the results of its array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    assert isinstance(streaming.stream_if_large(folder), streaming.StreamedRows)
    fitted = conv(max_iter=5).fit(folder)
    assert_array_equal(fitted.transform(folder), fitted.transform(images))
    assert_array_equal(fitted.reconstruct(folder), fitted.reconstruct(images))
    assert_array_equal(fitted.reconstruction_error(folder), fitted.reconstruction_error(images))
    assert fitted.score(folder) == fitted.score(images)
    assert fitted.score(folder) > 0.3
    assert fitted.partial_fit(folder).n_iter_ == 6


def test_streamed_files_are_decoded_in_chunks(digits_folder):
    """Streaming reads chunks of 16 neighboring files, the attribute `chunks` of a folder."""
    folder = ImageFolder(digits_folder[0], mode="L", size=600)
    assert folder.chunks == (16, 600, 600)
    assert streaming.StreamedRows(folder).block_size == 16


def test_folders_are_pickled_without_images(digits_folder):
    """A pickled folder has file names and no pixels, and reads the files after loading."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L", size=200)
    assert len(pickle.dumps(folder)) < 200 * N
    assert_array_equal(
        pickle.loads(pickle.dumps(ImageFolder(root, mode="L")[[5, 3]]))[:], images[[5, 3]]
    )


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_splits_and_searches(n_jobs, digits_folder, streams):
    """train_test_split, cross-validation and grid search accept a folder and its labels."""
    root, images, labels = digits_folder
    folder = ImageFolder(root, mode="L")
    train, test, y_train, y_test = train_test_split(
        folder, folder.labels, stratify=folder.labels, random_state=0
    )
    assert isinstance(train, ImageFolder)
    assert_array_equal(y_test, test.labels)
    assert_array_equal(test[:], train_test_split(images, stratify=labels, random_state=0)[1])
    pipeline = Pipeline([("ae", conv(max_iter=5)), ("clf", SVC(C=10))])
    search = GridSearchCV(
        pipeline, {"ae__n_components": [1, 6]}, cv=2, n_jobs=n_jobs, error_score="raise"
    ).fit(train, y_train)
    assert search.best_params_ == {"ae__n_components": 6}
    assert search.score(test, y_test) > 0.5
    assert cross_val_predict(pipeline, folder, folder.labels, cv=2, n_jobs=n_jobs).shape == (N,)


def test_uses_of_autoencoders_accept_folders(digits_folder, closed_figures):
    """Detector, codec and display have equal results for a folder and its array."""
    root, images, _ = digits_folder
    folder = ImageFolder(root, mode="L")
    detector = ReconstructionDetector(conv()).fit(folder)
    assert_array_equal(detector.score_samples(folder), detector.score_samples(images))
    codec = LatentCodec(conv()).fit(folder)
    assert codec.decompress(codec.compress(folder[:3])).shape == (3, 8, 8)
    display = ReconstructionDisplay.from_estimator(conv().fit(folder), folder, n_samples=2)
    assert_array_equal(display.originals, images[:2])
