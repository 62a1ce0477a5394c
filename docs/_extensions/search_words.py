"""Main index entries from ``search_words.csv``, which the search of the documentation ranks first.

Each line of the file has a word, and the page that answers it. The page gets the word as a main index entry. Sphinx's search
gives 100 points to a main entry, and at most 16 to a title.
"""

import csv

from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

PRIORITY = 500
"""Before Sphinx collects index entries, at 850."""


def read_words(path):
    """Return the words of each page.

    Parameters
    ----------
    path : Path
        A table with the columns word and page.

    Returns
    -------
    words : dict of str to list of str
        By page.
    """
    words, pages = {}, {}
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            word, page = line["word"].strip(), line["page"].strip()
            if pages.setdefault(word.lower(), page) != page:
                raise ExtensionError(
                    f"{path.name}: {word!r} leads to {pages[word.lower()]} and {page}"
                )
            words.setdefault(page, []).append(word)
    return words


class SearchWords(SphinxTransform):
    """Add the words of a page as main index entries."""

    default_priority = PRIORITY

    def apply(self, **kwargs):
        """Insert one index node at the top of the page."""
        words = self.env.config.search_words.get(self.env.current_document.docname, [])
        if words:
            entries = [("single", word, "", "main", None) for word in words]
            self.document.insert(0, addnodes.index(entries=entries, inline=False))


def load(app, config):
    """Read the file of words."""
    config.search_words = read_words(app.srcdir / "search_words.csv")


def check(app, env):
    """Warn of pages that are listed and do not exist."""
    for page in sorted(set(app.config.search_words) - env.found_docs):
        logging.getLogger(__name__).warning("search_words.csv: there is no page %s", page)


def setup(app):
    """Register the transform."""
    app.add_config_value("search_words", {}, "env")
    app.connect("config-inited", load)
    app.connect("env-updated", lambda app, env: check(app, env))
    app.add_transform(SearchWords)
    return {"version": "1", "parallel_read_safe": True}
