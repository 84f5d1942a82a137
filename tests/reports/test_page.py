"""The page is complete in itself, and shows text as text."""

import io
import re

import numpy as np
from PIL import Image

from rheon import RheonError
from rheon.reports.page import Facts, Page, Picture, Section, Verdict, pictures

HOSTILE = "<script>alert(1)</script>\x1b[31m =1+1"


def test_hostile_text_is_text_everywhere():
    parts = [HOSTILE, Facts((HOSTILE,), [(HOSTILE,)]), Picture("p", Image.new("L", (4, 4)), HOSTILE)]
    html = Page(HOSTILE, [Verdict("bad", HOSTILE, HOSTILE)], [Section(HOSTILE, parts)]).html
    assert "<script" not in html
    assert "\x1b" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m =1+1") == 10


def test_nothing_is_loaded():
    html = Page("m", [], [Section("s", [Picture("p", Image.new("RGB", (4, 4)), "p")])]).html
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^" )>]*)', html)
    assert addresses
    assert all(address.startswith("data:image/webp;base64,") for address in addresses)
    assert "default-src 'none'" in html
    assert "//" not in re.sub(r"base64,[A-Za-z0-9+/=]*", "", html)


def test_numbers_are_readable():
    cells = Facts((), [(3.14159265, 1234567, True, None, float(np.float64(1e-7)))]).cells
    assert cells == [["3.142", "1,234,567", "yes", "–", "1e-07"]]


def test_each_picture_is_a_file():
    black, white = Image.new("RGB", (3, 2)), Image.new("RGB", (3, 2), "white")
    sections = [Section("a", ["text", Picture("x", black, "")]), Section("b", [Picture("y", white, "")])]
    files = Page("m", [], sections).figures
    assert list(files) == ["x.png", "y.png"]
    for content, level in zip(files.values(), (0, 255), strict=True):
        assert (np.asarray(Image.open(io.BytesIO(content))) == np.full((2, 3, 3), level)).all()


def test_what_cannot_be_drawn_is_said():
    def refuse():
        raise RheonError("no pair")

    shown = list(pictures(("x", lambda: "a figure", "Good."), ("y", refuse, "Pairs.")))
    assert shown == [Picture("x", "a figure", "Good."), "Left out: Pairs. (no pair)"]
