"""Forged files: the content of a file is changed, and the right checksum is put on it."""

import json

from safetensors.numpy import load, save

from skae._files.container import digest

__all__ = ["forge", "read_content"]


def read_content(data):
    """Return the JSON content and the arrays of a file."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"]["skae"]), load(data)


def forge(data, change=None, change_arrays=None):
    """Return a file with changed content or arrays, and with the right checksum."""
    content, arrays = read_content(data)
    if change is not None:
        change(content)
    if change_arrays is not None:
        change_arrays(arrays)
    text = content
    if not isinstance(content, str):
        text = json.dumps(content)
    return save(arrays, {"skae": text, "sha256": digest(text, arrays)})
