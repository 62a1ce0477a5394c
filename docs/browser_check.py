"""Check the built documentation in headless Chromium. Needs the extra ``browser``, and Chromium or Chrome.

    python docs/browser_check.py docs/_build/html [--screenshots FOLDER] [--only search layout dark]

- search: each word of ``search_words.csv`` leads to its page first, in the documentation's own search;
- layout: at 390, 768 and 1300 pixels no page is wider than the window, no code is cut, and all pictures are loaded;
- dark: text and headings have a contrast of at least 4.5 with the background, on light and on dark pages.

The pages are served from this computer. Nothing else is requested, unless a page does it.
"""

import argparse
import contextlib
import csv
import functools
import http.server
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from urllib.parse import quote

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import WebDriverWait

WIDTHS = (390, 768, 1300)
"""Windows of a phone, a tablet and a small laptop, in pixels."""

MIN_CONTRAST = 4.5
"""WCAG 2.2, level AA, for text of normal size."""

RESULTS = """
const summary = document.querySelector('.search-summary');
const finished = summary && summary.textContent.trim();
return finished ? [...document.querySelectorAll('ul.search > li > a')].slice(0, 3).map(a => a.href) : null;
"""

LAYOUT = """
const faults = [];
const root = document.documentElement;
if (root.scrollWidth > window.innerWidth + 1) {
  const wide = [...document.querySelectorAll('main *')].filter(e => {
    const box = e.getBoundingClientRect();
    if (box.right <= window.innerWidth + 1 || box.width === 0) return false;
    for (let p = e.parentElement; p; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== 'visible' && p !== document.body && p !== root) return false;
    return true;
  }).slice(-1)[0];
  const text = wide ? wide.tagName + '.' + wide.className + ' ' + wide.textContent.trim().slice(0, 50) : '?';
  faults.push(`is ${root.scrollWidth} pixels wide: ${text}`);
}
for (const pre of document.querySelectorAll('.bd-article pre')) {
  const scrolls = pre.closest('.sphx-glr-script-out, .highlight-none, .highlight-text, .highlight-default');
  if (scrolls && window.innerWidth < 1000) continue;
  if (pre.scrollWidth > pre.clientWidth + 1)
    faults.push(`code is cut, ${pre.scrollWidth} of ${pre.clientWidth} pixels: ${pre.textContent.trim().slice(0, 50)}`);
}
for (const image of document.images) {
  image.loading = 'eager';
  const style = getComputedStyle(image);
  if (style.display !== 'none' && !(image.complete && image.naturalWidth > 0))
    faults.push(`the picture ${image.getAttribute('src')} is not loaded`);
}
return faults;
"""

CONTRAST = """
const parse = color => {
  const parts = color.match(/[\\d.]+/g).map(Number);
  if (color.startsWith('color(')) parts.forEach((v, i) => { if (i < 3) parts[i] = v * 255; });
  return parts;
};
const over = (top, bottom) => {
  const a = top[3] === undefined ? 1 : top[3];
  return [0, 1, 2].map(i => a * top[i] + (1 - a) * bottom[i]);
};
const light = rgb => {
  const [r, g, b] = rgb.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = e => {
  const colors = [];
  for (let p = e; p; p = p.parentElement) colors.push(parse(getComputedStyle(p).backgroundColor));
  return colors.reverse().reduce((below, color) => over(color, below), [255, 255, 255]);
};
const faults = new Map();
for (const e of document.querySelectorAll('.bd-article :is(p, h1, h2, h3, li, td, th, dt, figcaption, pre span, a, code)')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.getClientRects().length) continue;
  const below = background(e);
  const color = over(parse(getComputedStyle(e).color), below);
  const [a, b] = [light(color), light(below)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < MIN_CONTRAST) {
    const key = `${e.tagName.toLowerCase()} ${color.map(Math.round)} on ${below.map(Math.round)}`;
    if (!faults.has(key)) faults.set(key, `contrast ${ratio.toFixed(1)} of ${key}: ${e.textContent.trim().slice(0, 30)}`);
  }
}
return [...faults.values()];
""".replace("MIN_CONTRAST", str(MIN_CONTRAST))


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a log."""

    def log_message(self, *args):
        """Print nothing."""


def serve(folder):
    """Serve a folder at a free port of this computer.

    Parameters
    ----------
    folder : Path
        With ``index.html``.

    Returns
    -------
    server : ThreadingHTTPServer
    address : str
        Without a slash at its end.
    """
    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def start_browser():
    """Start Chromium or Chrome without a window."""
    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--hide-scrollbars",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium requires it for root, as in containers
    # a request to another site, such as MathJax without a network, does not delay a page
    options.page_load_strategy = "eager"
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    driver = shutil.which("chromedriver")
    if program is not None:
        options.binary_location = program
    service = webdriver.ChromeService(executable_path=driver) if driver and program else None
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_page_load_timeout(120)
    browser.set_script_timeout(120)
    return browser


def set_width(browser, width):
    """Set the size of the window in CSS pixels. A window of less than 500 pixels is not possible otherwise."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def wait_for_pictures(browser):
    """Wait until all pictures are loaded or failed, for at most 20 seconds."""
    browser.execute_script("for (const i of document.images) i.loading = 'eager'")
    complete = (
        "return document.readyState !== 'loading' && [...document.images].every(i => i.complete)"
    )
    # the check of the pictures reports those that are still missing
    with contextlib.suppress(TimeoutException):
        WebDriverWait(browser, 20, 0.02).until(lambda one: one.execute_script(complete))


def read_words(path):
    """Return pairs of word and page from ``search_words.csv``."""
    with path.open(newline="", encoding="utf-8") as file:
        return [(line["word"], line["page"]) for line in csv.DictReader(file)]


def check_search(browser, address, words):
    """Search each word, and compare the first result.

    Parameters
    ----------
    browser : WebDriver
        Started.
    address : str
        Of the documentation.
    words : list of (str, str)
        Word and page.

    Returns
    -------
    faults : list of str
        One for each word whose first result is another page.
    """
    faults = []
    set_width(browser, WIDTHS[-1])
    for word, page in words:
        browser.get(f"{address}/search.html?q={quote(word)}")
        links = WebDriverWait(browser, 60, 0.05).until(lambda one: one.execute_script(RESULTS))
        pages = [link.removeprefix(f"{address}/").split("#")[0].split("?")[0] for link in links]
        if pages[:1] != [f"{page}.html"]:
            faults.append(f"search: {word!r} leads to {pages or 'nothing'}, expected {page}")
    return faults


def check_layout(browser, address, pages):
    """Open each page at three widths.

    Parameters
    ----------
    browser : WebDriver
        Started.
    address : str
        Of the documentation.
    pages : list of str
        Relative addresses.

    Returns
    -------
    faults : list of str
    """
    faults = []
    for page in pages:
        browser.get(f"{address}/{page}")
        for width in WIDTHS:
            set_width(browser, width)
            wait_for_pictures(browser)
            faults += [f"{page} at {width}: {one}" for one in browser.execute_script(LAYOUT)]
    return faults


def check_dark(browser, address, pages, screenshots=None):
    """Compare colors of text and background, on light and dark pages.

    Parameters
    ----------
    browser : WebDriver
        Started.
    address : str
        Of the documentation.
    pages : list of str
        Relative addresses.
    screenshots : Path, default=None
        Folder for a picture of each page in both modes.

    Returns
    -------
    faults : list of str
    """
    faults = []
    set_width(browser, WIDTHS[-1])
    for page in pages:
        for mode in ("light", "dark"):
            browser.get(f"{address}/{page}")
            values = (
                f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}');"
            )
            browser.execute_script(values)
            browser.get(f"{address}/{page}")
            wait_for_pictures(browser)
            faults += [f"{page}, {mode}: {one}" for one in browser.execute_script(CONTRAST)]
            if screenshots is not None:
                screenshots.mkdir(parents=True, exist_ok=True)
                name = page.removesuffix(".html").replace("/", "-")
                browser.save_screenshot(str(screenshots / f"{name}-{mode}.png"))
        browser.execute_script("localStorage.clear()")
    return faults


def find_pages(root):
    """Return the relative addresses of all pages, except sources and the index."""
    paths = (path.relative_to(root).as_posix() for path in root.rglob("*.html"))
    skipped = ("_static/", "_modules/", "genindex", "py-modindex", "search", "_sources/")
    return sorted(path for path in paths if not path.startswith(skipped))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder that Sphinx wrote")
    parser.add_argument("--only", nargs="+", choices=["search", "layout", "dark"])
    parser.add_argument("--pages", nargs="+", help="relative addresses, all by default")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of some pages")
    arguments = parser.parse_args()
    chosen = arguments.only or ["search", "layout", "dark"]
    root = arguments.root.resolve()
    pages = arguments.pages or find_pages(root)
    words = read_words(Path(__file__).parent / "search_words.csv")
    server, address = serve(root)
    browser = start_browser()
    counts, faults = {"pages": len(pages)}, []
    try:
        if "search" in chosen:
            wrong = check_search(browser, address, words)
            counts["words"], counts["words with another first page"] = len(words), len(wrong)
            faults += wrong
        if "layout" in chosen:
            faults += check_layout(browser, address, pages)
        if "dark" in chosen:
            several = [page for page in pages if not page.startswith("api/generated/")]
            faults += check_dark(browser, address, several, arguments.screenshots)
    finally:
        browser.quit()
        server.shutdown()
    print(*faults, json.dumps(counts), sep="\n")
    sys.exit(f"{len(faults)} faults" if faults else 0 if pages else "There are no pages.")
