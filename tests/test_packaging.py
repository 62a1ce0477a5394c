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


def imported(*steps):
    """Return the modules imported after each of several steps of a new process."""
    show = "import sys; print(*sys.modules)"
    code = "\n".join(f"{step}\n{show}" for step in steps)
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return [set(line.split()) for line in output.splitlines()]


def libraries(modules):
    """Return the top-level names of modules."""
    return {name.partition(".")[0] for name in modules}


def test_optional_and_slow_libraries_are_not_imported():
    """Importing skae and fitting import no optional library, and no slow module of scikit-learn."""
    (from_dependencies,) = imported("import sklearn.callback, skorch, torch, tqdm")
    fit = "skae.DenseAutoencoder(2, max_iter=1).fit(X).reconstruct(X)"
    after_import, after_fit = imported(
        "import skae", f"import numpy; X = numpy.random.rand(30, 4); {fit}"
    )
    assert not (libraries(after_fit) - libraries(from_dependencies)).intersection(OPTIONAL)
    # skorch and scikit-learn import pandas and rich if these are installed
    assert not (libraries(after_fit) - {"pandas", "rich"}).intersection(OPTIONAL)
    # only some estimators use these
    slow = ["sklearn.cluster", "sklearn.decomposition", "sklearn.mixture", "sklearn.neighbors"]
    assert not after_import.intersection(slow)


def test_the_installation_has_five_dependencies():
    """All other libraries are extras."""
    names = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    assert names == {"numpy", "scikit-learn", "scipy", "skorch", "torch", "tqdm"}
