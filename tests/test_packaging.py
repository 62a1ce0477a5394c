"""What an installation brings, and what an import does."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

OPTIONAL = ["matplotlib", "pandas", "polars", "onnx", "onnxscript", "onnxruntime", "skl2onnx", "safetensors", "skops"]
OPTIONAL += ["constriction", "PIL", "h5py", "zarr", "rich"]


def imported(code):
    """Give the libraries that a new process has imported after some code."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(
        subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True).stdout.split()
    )


def test_what_is_optional_is_not_imported():
    """Importing skae, fitting, and encoding import nothing that only some users need, but what others look for."""
    below = imported("import sklearn.callback, skorch, torch, tqdm")
    fit = "skae.DenseAutoencoder(2, max_iter=1).fit(X).reconstruct(X)"
    found = imported(f"import numpy, skae; X = numpy.random.rand(30, 4); {fit}")
    assert not (found - below).intersection(OPTIONAL)
    assert not (found - {"pandas", "rich"}).intersection(OPTIONAL)  # which skorch and scikit-learn import where they are


def test_slow_modules_are_imported_where_they_are_needed():
    """Modules of scikit-learn that are slow to import, and that only some estimators use, don't slow down every import."""
    slow = ["sklearn.cluster", "sklearn.decomposition", "sklearn.mixture", "sklearn.neighbors"]
    code = f"import sys, skae; assert not {{*{slow}}} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_installation_needs_five_libraries():
    """Everything else is an extra."""
    names = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    assert names == {"numpy", "scikit-learn", "skorch", "torch", "tqdm"}
