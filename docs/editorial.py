"""Check the language of README, documentation and examples by the rules of CONTRIBUTING.md.

    python docs/editorial.py README.md docs examples

Reported with file and line:

- more than one clause with what, who, whom or whose per 1,000 words over all files (each clause is listed);
- more than 4 % of sentences with more than 25 words over all files, and any sentence with more than 40 words;
- words of the old vocabulary;
- lines of code with more than 79 columns, and comments at the end of a line of code.

Tables, code, equations and directives' options are not prose.
"""

import argparse
import ast
import contextlib
import io
import re
import sys
import textwrap
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

MAX_CLAUSES = 1.0
"""What and who clauses per 1,000 words. scikit-learn's decomposition module has 0.05, skrub 0.18."""

MAX_LONG_SHARE = 0.04
"""Share of sentences with more than `MAX_WORDS` words."""

MAX_WORDS = 25
HARD_MAX_WORDS = 40
"""Bounds of a sentence. Names in lists and inline code make some sentences long, so the first bound is a share."""

MAX_COLUMNS = 79
"""Columns of code. Wider lines do not fit beside the navigation in a window of 1300 pixels."""

CLAUSE = re.compile(r"\b(what|whatever|who|whom|whose|whoever)\b", re.IGNORECASE)

OLD_WORDS = {
    r"gappy|gaps? in (?:a |the )?(?:table|data|row)s?|fill(?:s|ed|ing)? (?:the )?gaps?": "missing values, impute",
    r"(?:rows?|samples?|images?) (?:that (?:are|were) )?held out|held-out rows?": "validation set",
    r"rows? as it sees|take(?:s|n)? (?:the )?noise (?:away|out)|takes? away noise": "denoise",
    r"length of (?:a|the) codes?|numbers of (?:a|the) codes?": "n_components, latent dimensions",
    r"learn(?:s|ed|ing)? by heart": "overfit",
    r"made small|makes small": "minimized",
    r"smoothed classes": "label smoothing",
    r"say(?:s)? next to nothing": "posterior collapse",
    r"codes to draw from": "variational autoencoder",
    r"first numbers (?:are|be) the best": "ordered latents",
    r"going on with": "resuming training",
    r"loss that is no number": "NaN loss",
    r"lonely": "isolated",
    r"hopeless|dearer|tilts": "a standard term",
    r"(?:does|do)(?:n't| not) fit in(?!to| memory)|odd (?:rows?|samples?|images?|ones?)": "anomalous",
    r"surely|hardly ever|clearly|whoever": "a number with its unit",
    r"(?:on|of) unseen rows|neither has seen": "test set",
    r"comes? from elsewhere|coming from elsewhere": "migrate",
    r"mak(?:e|es|ing) up (?:new )?(?:rows|images|digits)": "generate",
    r"for who\b|it pays|does not pay": "plain words",
    r"colour(?:s|ed|ing)?|grey|standardis\w+|normalis\w+|centre[ds]?": "American spelling",
    r"optimis(?:e|ed|es|ing|ation|er)s?|neighbour\w*|licence|behaviours?": "American spelling",
}
"""Words of the old vocabulary, and their replacements."""

OLD = [
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), better)
    for pattern, better in OLD_WORDS.items()
]

NO_PROSE = {
    *("autoclass", "autofunction", "automethod", "autosummary", "currentmodule", "minigallery"),
    *("code", "code-block", "literalinclude", "parsed-literal", "raw", "testcode"),
    *("csv-table", "list-table", "measured-table", "table", "math"),
    *("figure", "image", "include", "index", "meta", "plot", "toctree"),
}
"""Directives with contents that are not prose."""


@dataclass
class Prose:
    """Paragraphs and blocks of code of a file.

    Parameters
    ----------
    paragraphs : list of (int, str)
        First line and text.
    blocks : list of (int, str)
        First line and code in Python.
    """

    paragraphs: list = field(default_factory=list)
    blocks: list = field(default_factory=list)


def read_markdown(text):
    """Return paragraphs and Python blocks of a Markdown file."""
    prose, paragraph, fence, code, start = Prose(), [], None, [], 0
    text = re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if fence is not None:
            if line.startswith("```"):
                if fence == "python":
                    prose.blocks.append((start, "\n".join(code)))
                fence = None
            else:
                code.append(line)
            continue
        is_break = not line.strip() or re.match(r"(```|\||#|<|!\[|\s*[-*] |\s*\d+\. )", line)
        if is_break and paragraph:
            prose.paragraphs.append((start, " ".join(paragraph)))
            paragraph = []
        if line.startswith("```"):
            fence, code, start = line[3:].strip(), [], number + 1
        elif line.strip() and not re.match(r"\||#|<|!\[", line):
            if not paragraph:
                start = number
            paragraph.append(re.sub(r"^\s*(?:[-*]|\d+\.) ", "", line).strip())
    return prose


def read_rst(text, first=1):
    """Return paragraphs and Python blocks of reStructuredText.

    Parameters
    ----------
    text : str
        Of a page, or of a comment of an example.
    first : int, default=1
        Number of the first line.

    Returns
    -------
    prose : Prose
    """
    prose, lines, number = Prose(), text.splitlines(), 0

    def block_end(begin, indent):
        end = begin
        while end < len(lines) and (not lines[end].strip() or indent_of(lines[end]) > indent):
            end += 1
        return end

    paragraph, start = [], 0

    def flush():
        if paragraph:
            prose.paragraphs.append((first + start, " ".join(paragraph)))
            paragraph.clear()

    while number < len(lines):
        line = lines[number]
        stripped = line.strip()
        directive = re.match(r"\s*\.\. (?:\|\w+\| )?([\w:-]+)::\s*(\S*)", line)
        if not stripped:
            flush()
        elif directive:
            flush()
            name, end = directive[1], block_end(number + 1, indent_of(line))
            if name in ("code-block", "code") and directive[2] == "python":
                code = "\n".join(lines[number + 1 : end])
                code = re.sub(r"^\s*:[\w-]+:.*$", "", code, flags=re.MULTILINE)
                prose.blocks.append((first + number + 1, textwrap.dedent(code)))
            if name == "figure":
                caption = lines[number + 1 : end]
                kept = [("" if re.match(r"\s*:[\w-]+:", one) else one) for one in caption]
                inner = read_rst("\n".join(kept), first + number + 1)
                prose.paragraphs += inner.paragraphs
            if name in NO_PROSE:
                number = end
                continue
        elif re.match(r"\s*\.\. ", line):  # a comment, a target, or a footnote
            flush()
            if not re.match(r"\s*\.\. \[", line):
                number = block_end(number + 1, indent_of(line))
                continue
        elif re.match(r"\s*:[\w-]+:(?:\s|$)", line):
            flush()
        elif re.fullmatch(r"\s*(?:=+|\+[-=+]+)(?:\s+=+)*\s*", line) and (
            " " in stripped or stripped.startswith("+") or "  " in line
        ):
            flush()  # a table: up to the last line of its kind
            last = number
            for following in range(number + 1, len(lines)):
                if re.fullmatch(r"\s*(?:=+(?:\s+=+)+|\+[-=+]+)\s*", lines[following]):
                    last = following
                elif not lines[following].strip() and last > number + 1:
                    rest = lines[following:]
                    if not rest or last >= following - 1:
                        break
            number = last + 1
            continue
        elif re.fullmatch(r"([=\-~^\"'*+#])\1{2,}", stripped):
            flush()  # the text before is a title
        else:
            item = re.match(r"\s*(?:[-*]|\d+\.|#\.) ", line)
            if item:
                flush()
            if not paragraph:
                start = number
            paragraph.append(re.sub(r"^\s*(?:[-*]|\d+\.|#\.) ", "", line).strip())
            if stripped.endswith("::"):
                flush()
                number = block_end(number + 1, indent_of(line))
                continue
        number += 1
    flush()
    return prose


def indent_of(line):
    """Return the number of spaces at the start of a line."""
    return len(line) - len(line.lstrip())


def read_example(text):
    """Return paragraphs of the docstring and of the text blocks of an example, and its code."""
    tree = ast.parse(text)
    prose = read_rst(ast.get_docstring(tree, clean=False) or "", 1)
    comment, start = [], 0
    lines = text.splitlines()
    for number, line in enumerate([*lines, ""], 1):
        if re.match(r"# %%", line) or (comment and line.startswith("#")):
            if not comment:
                start = number
            comment.append("" if line.startswith("# %%") else line[1:].removeprefix(" "))
            lines[number - 1] = ""
        elif comment:
            inner = read_rst("\n".join(comment), start)
            prose.paragraphs += inner.paragraphs
            comment = []
    body = tree.body[0].end_lineno if tree.body else 0
    prose.blocks.append((1, "\n".join([""] * body + lines[body:])))
    return prose


READERS = {".md": read_markdown, ".rst": read_rst, ".py": read_example}


def sentences(paragraph):
    """Return the sentences of a paragraph, without roles and markup.

    Parameters
    ----------
    paragraph : str
        Text in Markdown or reStructuredText.

    Returns
    -------
    sentences : list of str
    """
    text = re.sub(r"``[^`]*``|(?<!:)`[^`<]*`(?!_)", "Code", paragraph)
    text = re.sub(r":[\w:]+:`~?([^`<]*?)(?:\s*<[^`]*>)?`", lambda match: match[1] or "link", text)
    text = re.sub(r"`([^`<]+)\s*<[^`]*>`__?", r"\1", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+", "link", text).replace("**", "").replace("*", "")
    text = re.sub(r"\b(e\.g|i\.e|et al|vs|cf|pp|p|Fig|Eq|No)\.", r"\1", text)
    return [one.strip() for one in re.split(r"(?<=[.!?:;])\s+(?=[A-Z0-9\"(])", text) if one.strip()]


def words(text):
    """Return the words of a text. Numbers are none."""
    return re.findall(r"[A-Za-z][\w'.-]*", text)


def trailing_comments(code):
    """Return the numbers of lines of code with a comment at their end, other than "noqa"."""
    found = []
    # a block that is no valid Python fails elsewhere
    with contextlib.suppress(tokenize.TokenError, IndentationError):
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type != tokenize.COMMENT or token.string.startswith("# noqa"):
                continue
            if token.line[: token.start[1]].strip():
                found += [token.start[0]]
    return found


def check(paths):
    """Check files.

    Parameters
    ----------
    paths : list of Path
        Files in Markdown, reStructuredText or Python.

    Returns
    -------
    faults : list of str
        Each with file and line. The build fails if there is one.
    long : list of str
        Sentences with more than 25 words.
    figures : dict of str to float
        Words, clauses per 1,000 words, and share of long sentences.
    """
    faults, clauses, long = [], [], []
    n_words = n_sentences = 0
    for path in paths:
        prose = READERS[path.suffix](path.read_text(encoding="utf-8"))
        for line, paragraph in prose.paragraphs:
            place = f"{path}:{line}"
            for pattern, better in OLD:
                found = pattern.finditer(paragraph)
                faults += [f"{place}: old word {one[0]!r}, use {better}" for one in found]
            for sentence in sentences(paragraph):
                count = len(words(sentence))
                n_words += count
                n_sentences += 1
                clauses += [f"{place}: clause in {sentence!r}"] * len(CLAUSE.findall(sentence))
                if count > HARD_MAX_WORDS:
                    faults.append(f"{place}: {count} words in {sentence[:90]!r}")
                elif count > MAX_WORDS:
                    long.append(f"{place}: {count} words in {sentence[:90]!r}")
        for line, code in prose.blocks:
            for number, text in enumerate(code.splitlines()):
                if len(text) > MAX_COLUMNS:
                    faults.append(f"{path}:{line + number}: code of {len(text)} columns")
            faults += [
                f"{path}:{line + number - 1}: comment at the end of a line of code"
                for number in trailing_comments(code)
            ]
    rate = 1000 * len(clauses) / max(n_words, 1)
    share = len(long) / max(n_sentences, 1)
    if rate >= MAX_CLAUSES and len(clauses) > 1:
        faults += [
            *clauses,
            f"{rate:.2f} what and who clauses per 1,000 words, at most {MAX_CLAUSES}",
        ]
    if share >= MAX_LONG_SHARE and len(long) > 1:
        faults += [
            *long,
            f"{share:.1%} of sentences over {MAX_WORDS} words, at most {MAX_LONG_SHARE:.0%}",
        ]
    figures = {"words": n_words, "clauses": rate, "long sentences": share}
    return faults, long, figures


def find_files(arguments):
    """Return the files to check: those given, and pages and examples in the folders given."""
    files = []
    for path in map(Path, arguments):
        if path.is_file():
            files.append(path)
            continue
        for suffix in (".rst", ".md") + ((".py",) if path.name == "examples" else ()):
            files += path.rglob(f"*{suffix}")
    generated = {"_build", "generated", "auto_examples", "_templates", "figures", "_extensions"}
    return sorted(path for path in files if not generated & set(path.parts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", help="files, or folders of pages and examples")
    parser.add_argument("--verbose", action="store_true", help="list sentences of 26 to 40 words")
    arguments = parser.parse_args()
    faults, long, figures = check(find_files(arguments.paths))
    print(*faults, *(long if arguments.verbose else []), sep="\n")
    print(
        f"{figures['words']} words, {figures['clauses']:.2f} what and who clauses per 1,000,"
        f" {figures['long sentences']:.1%} of sentences over {MAX_WORDS} words"
    )
    sys.exit(f"{len(faults)} faults" if faults else 0)
