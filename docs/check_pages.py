"""Check the built documentation: every link and picture within it leads to something that is there.

    python docs/check_pages.py docs/_build/html

Links to other sites are counted and not followed, so that the check needs no network.
"""

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


class Page(HTMLParser):
    """What a page points to, which places in it can be pointed to, and which pictures have no words for them.

    Parameters
    ----------
    path : Path
        Of an HTML file.
    """

    def __init__(self, path):
        super().__init__()
        self.links, self.places, self.wordless = set(), set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note what a tag says."""
        attrs = dict(attrs)
        self.places |= {attrs[name] for name in ("id", "name") if attrs.get(name)}
        if (
            tag == "img" and attrs.get("alt") is None
        ):  # an empty one says that the picture is decoration
            self.wordless.append(attrs.get("src", ""))
        for name in POINTERS.get(tag, []):
            value = attrs.get(name)
            if value is not None and attrs.get("rel") not in ("preconnect", "dns-prefetch"):
                self.links |= (
                    {part.split()[0] for part in value.split(", ")} if name == "srcset" else {value}
                )


def check(root):
    """Look at all pages below a folder.

    Parameters
    ----------
    root : Path
        The folder that Sphinx wrote.

    Returns
    -------
    faults : list of str
        One sentence each.
    counts : dict of str to int
        Of pages, of links within, of links to other sites, which aren't followed.
    """
    root = root.resolve()
    pages = {
        path: Page(path) for path in sorted(root.rglob("*.html")) if "_static" not in path.parts
    }
    faults, within, outside = [], 0, 0
    for path, page in pages.items():
        here = path.relative_to(root)
        faults += [
            f"{here}: the picture {source} has no words for who can't see it"
            for source in page.wordless
        ]
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                outside += parts.scheme in ("http", "https", "")
                continue
            within += 1
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                faults.append(f"{here}: {link} leads to no file")
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].places
            ):
                faults.append(f"{here}: {link} leads to no place in {target.name}")
    return faults, {
        "pages": len(pages),
        "links within": within,
        "links to other sites, not followed": outside,
    }


if __name__ == "__main__":
    faults, counts = check(Path(sys.argv[1]))
    print(*faults, ", ".join(f"{count} {what}" for what, count in counts.items()), sep="\n")
    sys.exit(f"{len(faults)} faults" if faults else 0 if counts["pages"] else "There are no pages.")
