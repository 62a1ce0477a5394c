"""Card of the landing page: two latent dimensions of handwritten digits, colored by class."""

from _style import new_figure, save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import DenseAutoencoder


def draw(path):
    """Plot latent vectors of test images of an autoencoder with class targets.

    Parameters
    ----------
    path : Path or str
        Of the picture.
    """
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    autoencoder = DenseAutoencoder(2, target_weight=1, max_iter=40, random_state=0)
    Z = autoencoder.fit(X_train, y_train).transform(X_test)
    figure, ax = new_figure(3.6, 2.4)
    ax.scatter(*Z.T, c=y_test, cmap="tab10", s=9, linewidths=0)
    ax.set(xticks=[], yticks=[], xlabel="latent dimension 1", ylabel="latent dimension 2")
    save(figure, path)
