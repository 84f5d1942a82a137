"""Reports as a reader has them: in a browser, at the width of a desk and of a telephone, light and dark."""

import pyarrow as pa
import pytest

from rheon import ImageDensity, TableDensity
from rheon.datasets import clinic, load_digits
from rheon.reports import report
from tests.reports.browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]

LONG = "<script>alert('" + "a_very_long_name_without_a_blank_" * 4 + "')</script>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder, digits, rows = tmp_path_factory.mktemp("reports"), load_digits().images, dict(clinic())
    rows[LONG] = rows.pop("site")
    table = pa.table(rows)
    learn, test = table.slice(0, 600), table.slice(600, 200)
    made = {
        "digits": report(ImageDensity("realnvp").fit(digits[:300], steps=3), "digits", digits[300:400]),
        "mixed": report(TableDensity().fit(learn, steps=3), LONG, test),
        "bare": report(ImageDensity("realnvp").fit(digits[:300], steps=3), "no data"),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page.html, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["digits", "mixed", "bare"])
@pytest.mark.parametrize(("width", "dark"), [(1100, False), (390, True)])
def test_nothing_is_asked_for_nothing_complains_nothing_is_too_wide(browser, reports, name, width, dark):
    file = reports / f"{name}.html"
    browser.open(file, width, dark)
    asked = [told["request"]["url"] for told in browser.told("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert not browser.told("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth || i.width > innerWidth).length"
    assert (browser.value("document.images.length") > 0, browser.value(broken)) == (True, 0)
    assert browser.value("document.scripts.length") == 0
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 29)" if dark else "rgb(255, 255, 255)")


def test_the_browser_sees_what_is_wrong(browser, tmp_path):
    bad = '<img src="http://127.0.0.1:9/x.png"><script>console.error("no")</script><p style="width:3000px">x'
    (tmp_path / "bad.html").write_text(f'<meta name="viewport" content="width=device-width">{bad}')
    browser.open(tmp_path / "bad.html", 390)
    asked = [told["request"]["url"] for told in browser.told("Network.requestWillBeSent")]
    assert "http://127.0.0.1:9/x.png" in asked
    assert browser.told("Log.entryAdded", "Runtime.consoleAPICalled")
    assert browser.value("document.documentElement.scrollWidth") > 390
