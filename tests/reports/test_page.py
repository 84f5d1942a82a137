"""The page is complete in itself, and shows text as text."""

import re

import numpy as np
from PIL import Image

from rheon.reports.page import Facts, Picture, Section, Verdict, page

HOSTILE = "<script>alert(1)</script>\x1b[31m =1+1"


def test_hostile_text_is_text_everywhere():
    parts = [HOSTILE, Facts((HOSTILE,), [(HOSTILE,)]), Picture(Image.new("L", (4, 4)), HOSTILE)]
    html = page(HOSTILE, [Verdict("bad", HOSTILE, HOSTILE)], [Section(HOSTILE, parts)])
    assert "<script" not in html
    assert "\x1b" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m =1+1") == 10


def test_nothing_is_loaded():
    html = page("m", [], [Section("s", [Picture(Image.new("RGB", (4, 4)), "p")])])
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^" )>]*)', html)
    assert addresses
    assert all(address.startswith("data:image/webp;base64,") for address in addresses)
    assert "default-src 'none'" in html
    assert "//" not in re.sub(r"base64,[A-Za-z0-9+/=]*", "", html)


def test_numbers_are_readable():
    cells = Facts((), [(3.14159265, 1234567, True, None, float(np.float64(1e-7)))]).cells
    assert cells == [["3.142", "1,234,567", "yes", "–", "1e-07"]]
