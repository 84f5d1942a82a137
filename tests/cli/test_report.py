import json
import re

import pyarrow as pa
import pyarrow.csv


def test_a_report_on_images_says_what_was_measured(models, here, rheon):
    shown = rheon(f"report {models}/digits.rheon --data digits --out r.html --figures f")
    assert (shown.code, shown.err) == (0, "")
    html = (here / "r.html").read_text()
    assert len(list((here / "f").glob("*.png"))) == html.count("<figure>")
    figures = json.loads((models / "digits.rheon/config.json").read_text())["figures"]
    assert f"{figures['bits_per_dim']:.3f} bits/dim (exact log P of the levels) on test data" in html
    assert "bits/dim (exact log P of the levels) on these images" in html
    assert "<p>ELBO with uniform noise:</p>" in html
    assert html.count("<figure>") >= 6
    assert len(html) < 1_500_000


def test_a_report_on_rows_shows_none_of_them(models, here, rheon):
    table = pa.table({"x0": [0.123456789 + i for i in range(200)], "x1": [float(i) for i in range(200)]})
    pyarrow.csv.write_csv(table, here / "rows.csv")
    shown = rheon(f"report {models}/moons.rheon --data rows.csv --out r.html")
    assert shown.code == 0
    html = re.sub(r"base64,[^\"]*", "", (here / "r.html").read_text())
    assert "0.123456789" not in html
    assert "The most unusual rows" in html
    assert "Do not trust" in html, "these rows are far from the moons that it learned"


def test_a_report_on_hostile_names(models, here, rheon):
    assert rheon(f"report {models}/hostile.rheon --data {models}/hostile.csv --out r.html").code == 0
    html = (here / "r.html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html


def test_without_data_it_is_in_the_model_directory(models, here, rheon):
    shown = rheon(f"report {models}/moons.rheon")
    assert (shown.code, "--data" in shown.err) == (0, True)
    assert (models / "moons.rheon/report.html").exists()


def test_check_says_in_words_and_by_exit_code(models, rheon, monkeypatch):
    shown = rheon(f"check {models}/moons.rheon")
    assert (shown.code, "0 failed" in shown.out) == (0, True)
    from rheon.bijections import ActNorm

    forward = ActNorm.forward
    monkeypatch.setattr(ActNorm, "forward", lambda f, x, c=None: (forward(f, x, c)[0], -forward(f, x, c)[1]))
    shown = rheon(f"check {models}/moons.rheon")
    assert (shown.code, "FAIL" in shown.out) == (1, True)


def test_check_of_mixed_and_conditional_rows(here, rheon, bare):
    for flags in ("", " --given site"):
        assert rheon(f"fit clinic --steps 5 --out c.rheon --overwrite{flags}").code == 0
        shown = rheon("check c.rheon --data clinic")
        assert (shown.code, "0 failed" in shown.out) == (0, True), shown.out
