"""Print the notes of a release: python .github/release_notes.py v1.2.3.

The tag has to be the version of the package, of the recipe and of CITATION.cff, and CHANGELOG.md needs a section of it with a
date. Otherwise the program ends with an error.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

VERSIONS = {
    "skae/_version.py": r'^__version__ = "(.+)"$',
    "conda/recipe.yaml": r'^  version: "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
}
"""File and pattern of each version."""


def versions(root=ROOT):
    """Return the version that each file names."""
    result = {}
    for name, pattern in VERSIONS.items():
        text = (root / name).read_text(encoding="utf-8")
        result[name] = re.search(pattern, text, re.MULTILINE)[1]
    return result


def notes(tag, root=ROOT):
    """Return the text of the changelog below the heading of a version."""
    version = tag.removeprefix("v")
    different = {name: one for name, one in versions(root).items() if one != version}
    if different:
        raise ValueError(f"Got the tag {tag!r}, but expected the version of {different}.")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^## \[{re.escape(version)}\] - ([^\n]+)\n(.*?)(?=^## |^\[[^\]]+\]: |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    if section is None:
        raise ValueError(f"CHANGELOG.md has no section for {version}.")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", section[1]):
        raise ValueError(f"Got the date {section[1]!r} of {version} in CHANGELOG.md.")
    return section[2].strip() + "\n"


if __name__ == "__main__":
    try:
        print(notes(sys.argv[1]), end="")
    except ValueError as error:
        sys.exit(str(error))
