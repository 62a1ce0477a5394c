"""Random mutations of files of skae.export, with the right checksum and with a valid container."""

import copy
import json

import numpy as np
from safetensors.numpy import load, save

from skae._files.container import digest

__all__ = ["mutate"]

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    3,
    7,
    64,
    10**6,
    2**31,
    2**53,
    2**63,
    -(2**63),
    10**30,
    0.0,
    -0.0,
    0.5,
    -1.5,
    1e-320,
    1e300,
    "",
    "auto",
    "x",
    "__class__",
    "os.system",
    "/etc/passwd",
    "cuda:0",
    "meta",
    "\x00",
    "a" * 10**5,
    [],
    {},
    [[]],
    [0] * 1000,
    {"tuple": []},
    {"tuple": [1, 2]},
    {"tuple": [10**9] * 5},
    {"dict": {}},
    {"dict": {"compile": True, "compile__options": {"dict": {"cpp.cxx": "sh"}}}},
    {"float": "nan"},
    {"float": "inf"},
    {"float": "-inf"},
    {"float": "__import__('os')"},
    {"bytes": "00" * 32},
    {"bytes": "zz"},
    {"dtype": "O"},
    {"dtype": "<f8"},
    {"dtype": "V1000000000"},
    {"torch.optim": "Adam"},
    {"torch.optim": "Optimizer"},
    {"array": ""},
    {"array": "_weights"},
    {"scalar": "_weights"},
    {"strings": ["a", "b"]},
    {"strings": ["a"] * 999 + ["b" * 999]},
    {"objects": ["a"]},
    {"objects": [1]},
    {"object": {"class": "Targets", "state": {}}},
    {"object": "os.system", "state": {}},
    {"estimator": {"same": ""}},
    {"estimator": {"same": "autoencoder_"}},
    {"estimator": {"class": "Pipeline", "state": {"steps": []}}},
]
"""Values of other kinds, bounds and sizes."""

NAMES = [
    "class",
    "state",
    "format",
    "transform",
    "fit",
    "net_",
    "__dict__",
    "__reduce__",
    "__setstate__",
    "_spec",
    "_weights",
    "n_components",
    "feature_names_in_",
    "_sklearn_version",
    "_repr_html_",
    "x",
]
"""Keys that are added, and names that others are replaced by."""


def mutate(data, rng):
    """Return a mutated file.

    Parameters
    ----------
    data : bytes
        File of `skae.export.save`.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    data : bytes
        The mutated file, in most cases with the right checksum.
    name : str
        Name of the mutation.
    """
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    content, arrays = json.loads(header["__metadata__"]["skae"]), load(data)
    kind = rng.choice(["json", "json", "json", "arrays", "arrays", "text", "container"])
    if kind == "container":
        return _mutate_container(data, rng)
    names = []
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        if kind == "arrays":
            names.append(_mutate_arrays(arrays, rng))
        else:
            names.append(_mutate_json(content, rng))
    text = json.dumps(content)
    if kind == "text":
        text, name = _mutate_text(text, rng)
        names = [name]
    metadata = {"skae": text, "sha256": digest(text, arrays)}
    return save(arrays, metadata), "+".join(names)


def _places(content):
    """Return each list or dict of JSON content with each of its keys."""
    places, waiting = [], [content]
    while waiting:
        value = waiting.pop()
        keys = range(len(value)) if isinstance(value, list) else list(value)
        for key in keys:
            places.append((value, key))
            if isinstance(value[key], (list, dict)):
                waiting.append(value[key])
    return places


def _mutate_json(content, rng):
    """Change one place of JSON content, and return the name of the mutation."""
    places = _places(content)
    place, key = places[rng.integers(len(places))]
    other_place, other_key = places[rng.integers(len(places))]
    name = str(
        rng.choice(["replace", "replace", "scale", "delete", "add", "rename", "copy", "repeat"])
    )
    if name == "replace":
        place[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    elif name == "scale" and type(place[key]) in (int, float):
        place[key] = place[key] * int(rng.choice([-1, 0, 2, 10**3, 10**9])) + int(rng.integers(3))
    elif name == "delete":
        del place[key]
    elif name == "add" and isinstance(place, dict):
        place[str(rng.choice(NAMES))] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    elif name == "rename" and isinstance(place, dict):
        place[str(rng.choice(NAMES))] = place.pop(key)
    elif name == "copy":
        place[key] = copy.deepcopy(other_place[other_key])
    elif isinstance(place[key], list):
        place[key] = place[key] * int(rng.choice([0, 2, 1000]))
    elif isinstance(place[key], str):
        place[key] = place[key][::-1]
    else:
        place[key] = [copy.deepcopy(place[key])]
    return name


def _mutate_arrays(arrays, rng):
    """Change one array, and return the name of the mutation."""
    if not arrays:
        return "none"
    name = str(rng.choice(sorted(arrays)))
    array = arrays[name]
    mutation = str(
        rng.choice(["value", "value", "fill", "shape", "dtype", "delete", "add", "swap", "empty"])
    )
    if mutation == "value" and array.size:
        changed = array.copy().reshape(-1)
        changed[rng.integers(changed.size)] = _extreme(array.dtype, rng)
        arrays[name] = changed.reshape(array.shape)
    elif mutation == "fill":
        arrays[name] = np.full_like(array, _extreme(array.dtype, rng))
    elif mutation == "shape":
        shapes = [array.reshape(-1), array[None], array.reshape(array.shape[::-1])]
        arrays[name] = np.ascontiguousarray(shapes[rng.integers(3)])
    elif mutation == "dtype":
        dtypes = ["bool", "int8", "uint64", "int64", "float16", "float32", "float64"]
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(str(rng.choice(dtypes)))
    elif mutation == "delete":
        del arrays[name]
    elif mutation == "add":
        arrays[str(rng.choice(NAMES))] = array
    elif mutation == "swap":
        other = str(rng.choice(sorted(arrays)))
        arrays[name], arrays[other] = arrays[other], arrays[name]
    else:
        arrays[name] = np.zeros((0,) * max(1, array.ndim), array.dtype)
    return mutation


def _extreme(dtype, rng):
    """Return an extreme value of a dtype."""
    if dtype.kind == "f":
        return rng.choice([np.nan, np.inf, -np.inf, 0.0, -1.0, np.finfo(dtype).max, 1e-40])
    if dtype.kind == "b":
        return bool(rng.integers(2))
    information = np.iinfo(dtype)
    return rng.choice(np.array([information.min, information.max, 0, 1, 100], dtype))


def _mutate_text(text, rng):
    """Change the JSON text in a way that a parser may see otherwise."""
    name = str(rng.choice(["duplicate", "nan", "deep", "many", "long", "surrogate", "cut", "int"]))
    changed = {
        "duplicate": text[:-1] + ', "class": "Popen"}',
        "nan": text.replace("0.0", "NaN", 1),
        "deep": "[" * int(rng.choice([60, 500, 10**5])) + text,
        "many": '{"x": [' + "{}," * int(rng.choice([10**5, 3 * 10**5, 10**6])) + "{}]}",
        "long": text.replace('"auto"', '"' + "a" * int(rng.choice([2000, 10**7])) + '"', 1),
        "surrogate": text.replace('"auto"', '"\\udcff"', 1),
        "cut": text[: int(rng.integers(len(text)))],
        "int": text.replace(": 1,", ": " + "9" * int(rng.choice([30, 4000, 10**6])) + ",", 1),
    }
    return changed[name], f"text-{name}"


def _mutate_container(data, rng):
    """Change the header of the container, or single bytes."""
    size = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + size], data[8 + size :]
    name = str(rng.choice(["shape", "offset", "dtype", "size", "byte", "cut", "key", "append"]))
    old, new = {
        "shape": (b'"shape":[', b'"shape":[4611686018427387904,'),
        "offset": (b'"data_offsets":[0', b'"data_offsets":[1'),
        "dtype": (b'"F32"', bytes(rng.choice([b'"F64"', b'"BF16"', b'"I64"', b'"O"']))),
        "key": (b'"shape"', b'"dtype"'),
    }.get(name, (b"", b""))
    if old:
        header = header.replace(old, new, int(rng.integers(1, 3)))
        size = len(header)
    elif name == "size":
        size = int(rng.choice([0, 1, size + 1, size - 1, 2**31, 2**63 - 1]))
    elif name == "cut":
        body = body[: int(rng.integers(len(body) + 1))]
    elif name == "append":
        body = body + bytes(int(rng.integers(1, 100)))
    else:
        changed = bytearray(data)
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
        return bytes(changed), "container-byte"
    return size.to_bytes(8, "little") + header + body, f"container-{name}"
