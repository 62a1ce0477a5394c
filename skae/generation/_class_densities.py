"""The densities of a sampler: one of all samples, or one per class."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from skae._input.array_likes import as_plain
from skae.generation._classes import encode_labels, find_classes
from skae.generation._density import fit_densities, fit_density, score_classes

__all__ = ["ClassDensitiesMixin"]


class ClassDensitiesMixin:
    """Mixin for samplers with a parameter `density`: fitted for all samples, or per class."""

    density: BaseEstimator | None
    density_: BaseEstimator
    densities_: list[BaseEstimator]
    classes_: NDArray
    class_prior_: NDArray[np.float64]
    code_mean_: NDArray[np.float64]
    code_scale_: NDArray[np.float64]

    def _has_frozen_density(self):
        """Return whether the density is frozen: it has no classes and no standardization."""
        return self.density is not None and clone(self.density) is self.density

    def _fit_classes(self, X, y):
        """Set the classes, and return the index of the class of each sample; None without y."""
        for name in ("density_", "densities_", "classes_", "class_prior_"):
            self.__dict__.pop(name, None)
        if y is None:
            return None
        if self._has_frozen_density():
            raise ValueError(
                "Got y with a FrozenEstimator as density, but expected an unfitted density: one is "
                "fitted per class. Fit without y to use a frozen density."
            )
        self.classes_, classes = encode_labels(y, as_plain(X))
        self.class_prior_ = np.bincount(classes) / len(classes)
        return classes

    def _classes_and_prior(self):
        """Return the classes and their frequencies; raise an error if fitted without y."""
        if not hasattr(self, "classes_"):
            raise ValueError(
                f"This {type(self).__name__} was fitted without y and has no classes. Call "
                "fit(X, y) with class labels first."
            )
        return self.classes_, self.class_prior_

    def _fit_densities(self, codes, classes, seed):
        """Fit the density, or one density per class, on standardized latent vectors."""
        if self._has_frozen_density():
            self.code_mean_ = np.zeros_like(self.code_mean_)
            self.code_scale_ = np.ones_like(self.code_scale_)
        codes = (codes - self.code_mean_) / self.code_scale_
        if classes is None:
            self.density_ = fit_density(self.density, codes, seed)
        else:
            self.densities_ = fit_densities(self.density, codes, classes, self.classes_, seed)

    def _fitted_densities(self):
        """Return the densities of all classes, or the only density."""
        if hasattr(self, "classes_"):
            return self.densities_
        return [self.density_]

    def _log_density(self, codes, y):
        """Compute the log density of standardized latent vectors, of all classes or within y."""
        if y is not None:
            labels, _ = self._classes_and_prior()
            return score_classes(self.densities_, codes, find_classes(y, labels, len(codes)))
        if not hasattr(self, "classes_"):
            return self.density_.score_samples(codes)
        scores = np.array([density.score_samples(codes) for density in self.densities_])
        return np.logaddexp.reduce(scores + np.log(self.class_prior_)[:, None], axis=0)
