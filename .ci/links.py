#!/usr/bin/env python3
"""Checks a rendered book: every link inside it leads to a page and an anchor that are there, and every page is in it.

links.py BOOK SOURCE   the directory that mdbook wrote, and the one that it read
"""
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

book, source = (Path(argument).resolve() for argument in sys.argv[1:3])


class Page(HTMLParser):
    """What a page links to, the anchors that it has, and its text outside code."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.text, self.pre = [], set(), [], 0
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]
        self.pre += tag == "pre"

    def handle_endtag(self, tag):
        self.pre -= tag == "pre"

    def handle_data(self, data):
        if not self.pre:
            self.text.append(data)


# print.html has all pages in one, and its anchors are those of the pages.
pages = {path: Page(path) for path in book.rglob("*.html") if path.name != "print.html"}
errors, checked = [], 0
for path, page in sorted(pages.items()):
    if "{{#" in "".join(page.text):
        errors.append(f"{path.name}: an include was not resolved")
    for link in page.links:
        target, anchor = urldefrag(link)
        if target.split(":")[0] in ("http", "https", "mailto", "data"):
            continue
        checked += 1
        # The page for paths that are not there is served at any depth, so its links begin at the root.
        file = (path.parent / unquote(target)).resolve() if target and not target.startswith("/") else path if not target else book / target.lstrip("/")
        if not file.exists():
            errors.append(f"{path.name}: {link} leads to no file")
        elif anchor and file in pages and unquote(anchor) not in pages[file].anchors:
            errors.append(f"{path.name}: {link} leads to no anchor")
for markdown in source.rglob("*.md"):
    page = markdown.relative_to(source)
    if page.name != "SUMMARY.md" and not (book / page.with_suffix(".html")).exists():
        errors.append(f"{page}: is not in SUMMARY.md")
print("\n".join(errors) or f"{checked} links in {len(pages)} pages lead somewhere")
sys.exit(bool(errors) or checked < 100)
