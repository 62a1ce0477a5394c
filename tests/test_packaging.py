"""Dependencies of the installation, and libraries imported by skae."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

OPTIONAL = [
    "matplotlib",
    "pandas",
    "polars",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "skl2onnx",
    "safetensors",
    "skops",
]
OPTIONAL += ["constriction", "PIL", "h5py", "zarr", "rich"]


def imported(code):
    """Return the libraries imported by a new process that runs the code."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(
        subprocess.run(
            [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_optional_libraries_are_not_imported():
    """Importing skae, fitting and encoding import no optional library, except those of skorch."""
    from_dependencies = imported("import sklearn.callback, skorch, torch, tqdm")
    fit = "skae.DenseAutoencoder(2, max_iter=1).fit(X).reconstruct(X)"
    libraries = imported(f"import numpy, skae; X = numpy.random.rand(30, 4); {fit}")
    assert not (libraries - from_dependencies).intersection(OPTIONAL)
    # skorch and scikit-learn import pandas and rich if these are installed
    assert not (libraries - {"pandas", "rich"}).intersection(OPTIONAL)


def test_slow_modules_are_imported_lazily():
    """Importing skae does not import slow modules of scikit-learn that only some estimators use."""
    slow = ["sklearn.cluster", "sklearn.decomposition", "sklearn.mixture", "sklearn.neighbors"]
    code = f"import sys, skae; assert not {{*{slow}}} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_installation_has_five_dependencies():
    """All other libraries are extras."""
    names = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    assert names == {"numpy", "scikit-learn", "skorch", "torch", "tqdm"}
