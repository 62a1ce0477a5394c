"""
Hyperparameter search with Optuna
=================================

The number of latent dimensions and the weight of the supervised loss are
hyperparameters. Grids grow fast with the number of hyperparameters. Optuna
samples promising combinations from continuous ranges instead.
"""

# %%
# Objective function
# ------------------
#
# The objective is the cross-validated accuracy of a Pipeline. A third of the
# digits is kept for the final test. Fits of 40 epochs without a validation set
# keep the search short. The autoencoder uses the labels of its training set,
# and PCA does not.

import matplotlib.pyplot as plt
import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skae import DenseAutoencoder

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)


def build_autoencoder(trial):
    autoencoder = DenseAutoencoder(
        trial.suggest_int("n_components", 2, 6),
        target_weight=trial.suggest_float("target_weight", 0.01, 3, log=True),
        max_iter=40,
        early_stopping=False,
        random_state=0,
    )
    return make_pipeline(autoencoder, SVC(C=trial.suggest_float("C", 1, 10)))


def build_pca(trial):
    pca = PCA(trial.suggest_int("n_components", 2, 6))
    return make_pipeline(pca, SVC(C=trial.suggest_float("C", 1, 10)))


def search(build):
    def objective(trial):
        return cross_val_score(build(trial), X_train, y_train, cv=2).mean()

    sampler = optuna.samplers.TPESampler(n_startup_trials=5, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=10)
    return study


optuna.logging.set_verbosity(optuna.logging.WARNING)

# %%
# Search
# ------
#
# Ten trials for the autoencoder, and as many for PCA with at most as many
# components.

builders = {"PCA": build_pca, "DenseAutoencoder": build_autoencoder}
studies = {name: search(build) for name, build in builders.items()}

print("                    cross-validation    test")
for name, study in studies.items():
    best = builders[name](optuna.trial.FixedTrial(study.best_params))
    accuracy = best.fit(X_train, y_train).score(X_test, y_test)
    print(f"{name:18}{study.best_value:18.3f}{accuracy:8.3f}")

for name, study in studies.items():
    print(f"\n{name}")
    for parameter, value in study.best_params.items():
        print(f"    {parameter:14}{value:.3g}")

# %%
# On the left, the best accuracy after each trial. On the right, the trials of
# the autoencoder.

figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for name, color in (("PCA", "tab:orange"), ("DenseAutoencoder", "tab:blue")):
    values = [trial.value for trial in studies[name].trials]
    axes[0].plot(values, ".", color=color, alpha=0.5)
    axes[0].step(
        range(len(values)),
        np.maximum.accumulate(values),
        where="post",
        color=color,
        label=name,
    )
axes[0].set(xlabel="trial", ylabel="accuracy, cross-validated")
axes[0].legend(frameon=False)

trials = studies["DenseAutoencoder"].trials
points = axes[1].scatter(
    [trial.params["target_weight"] for trial in trials],
    [trial.params["n_components"] for trial in trials],
    c=[trial.value for trial in trials],
    s=90,
    edgecolor="black",
)
axes[1].set(xscale="log", xlabel="target_weight", ylabel="n_components")
axes[1].set_yticks(range(2, 7))
figure.colorbar(points, ax=axes[1], label="accuracy, cross-validated")
plt.show()

# %%
# Guide
# -----
#
# :doc:`/guide/hyperparameters` covers ``GridSearchCV``, Optuna and pruning of
# trials. :doc:`/guide/integrations` lists other libraries.
