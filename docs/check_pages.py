"""Check the links, the pictures and the outputs of the built documentation, without a browser.

    python docs/check_pages.py docs/_build/html

Links to other sites are counted and not followed, so the check needs no network.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

POINTERS = {
    "a": ["href"],
    "link": ["href"],
    "script": ["src"],
    "img": ["src", "srcset"],
    "source": ["src", "srcset"],
    "iframe": ["src"],
}
"""Tags, and their attributes that hold addresses."""

LOCAL_PATHS = [re.escape(str(Path(__file__).resolve().parent.parent)) + r"\b", r"site-packages/"]
"""Paths of the machine that built the pages."""

WARNING_OUTPUT = re.compile(r"\b\w*Warning: ")
"""A warning in the output of an example."""


class Page(HTMLParser):
    """Links, anchors, pictures and outputs of a page.

    Parameters
    ----------
    path : Path
        An HTML file.
    """

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.undescribed = set(), set(), []
        text = path.read_text(encoding="utf-8")
        self.local_paths = sorted(
            {match[0] for one in LOCAL_PATHS for match in re.finditer(one, text)}
        )
        self.warnings = [
            output[:60]
            for output in re.findall(r'<div class="sphx-glr-script-out.*?</div>', text, re.DOTALL)
            if WARNING_OUTPUT.search(output)
        ]
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Collect the attributes of a tag."""
        attrs = dict(attrs)
        self.anchors |= {attrs[name] for name in ("id", "name") if attrs.get(name)}
        # an empty alternative text marks decoration
        if tag == "img" and attrs.get("alt") is None:
            self.undescribed.append(attrs.get("src", ""))
        for name in POINTERS.get(tag, []):
            value = attrs.get(name)
            if value is not None and attrs.get("rel") not in ("preconnect", "dns-prefetch"):
                self.links |= (
                    {part.split()[0] for part in value.split(", ")} if name == "srcset" else {value}
                )


def check(root):
    """Check all pages below a folder.

    Parameters
    ----------
    root : Path
        The folder that Sphinx wrote.

    Returns
    -------
    faults : list of str
        One sentence each.
    counts : dict of str to int
        Number of pages, of internal links, and of links to other sites, which are not followed.
    """
    root = root.resolve()
    pages = {
        path: Page(path) for path in sorted(root.rglob("*.html")) if "_static" not in path.parts
    }
    faults, internal, external = [], 0, 0
    for path, page in pages.items():
        here = path.relative_to(root)
        faults += [f"{here}: the picture {one} has no alternative text" for one in page.undescribed]
        faults += [f"{here}: the page contains the local path {one}" for one in page.local_paths]
        faults += [f"{here}: the output {one!r} contains a warning" for one in page.warnings]
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                external += parts.scheme in ("http", "https", "")
                continue
            internal += 1
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                faults.append(f"{here}: the link {link} leads to a missing file")
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].anchors
            ):
                faults.append(f"{here}: the link {link} leads to a missing anchor of {target.name}")
    return faults, {
        "pages": len(pages),
        "internal links": internal,
        "links to other sites, not followed": external,
    }


if __name__ == "__main__":
    faults, counts = check(Path(sys.argv[1]))
    print(*faults, ", ".join(f"{count} {name}" for name, count in counts.items()), sep="\n")
    sys.exit(f"{len(faults)} faults" if faults else 0 if counts["pages"] else "There are no pages.")
