"""A page as a browser would take it, for tests of what is written as one."""

from html.parser import HTMLParser

import pytest

from cospike.html_explorer import TEMPLATE


def need_template():
    """Skips what writes an explorer where its page has not been built."""
    if not TEMPLATE.is_file():
        pytest.skip("the page of the explorer has not been built (make explorer)")


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its text, and whatever it would load."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text()
        self.tags, self.ids, self.loads, self.links, self.open, self.words = [], [], [], [], [], []
        self.csp = ""
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.csp = attrs["content"]
        self.links += [attrs["href"]] if tag == "a" else []
        self.loads += [value for name, value in attrs.items() if name in ("src", "href", "xlink:href") and tag != "a"]
        assert not any(name.startswith("on") for name in attrs), attrs

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.remove(tag) if tag in self.open else None

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)
