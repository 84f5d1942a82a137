"""Tables as they should not be: each becomes a model whose figures are finite, or is refused in one line."""

import gzip

import numpy as np
import pandas as pd
import pytest

from rheon.errors import RheonError
from rheon.tables import TableDensity, read_table

RNG = np.random.default_rng(0)
N = 60
NUMBERS = RNG.normal(size=N)


def csv(header, *columns):
    lines = [header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    return "\n".join(lines).encode()


def frame(**columns):
    return pd.DataFrame(columns)


MODELS = {
    "a constant column": frame(a=NUMBERS, b=np.ones(N)),
    "one value and a few others": frame(a=np.r_[np.full(5000, 3.25), [1.0, 2.0, 7.5]]),
    "one value and many others": frame(a=np.r_[np.full(1000, 3.25), RNG.normal(size=300)]),
    "1e300": frame(a=NUMBERS * 1e300),
    "1e300 among small numbers": frame(a=np.r_[NUMBERS, 1e300], b=np.r_[NUMBERS, 0]),
    "subnormal": frame(a=NUMBERS * 5e-320),
    "Cauchy": frame(a=RNG.standard_cauchy(500), b=RNG.standard_cauchy(500)),
    "many orders of magnitude": frame(a=10.0 ** RNG.uniform(-300, 300, N)),
    "missing numbers": frame(a=np.where(RNG.random(N) < 0.3, np.nan, NUMBERS), b=NUMBERS),
    "almost all missing": frame(a=np.where(np.arange(N) < N - 3, np.nan, NUMBERS), b=NUMBERS),
    "one number, else missing": frame(a=np.where(np.arange(N) == 3, 1.5, np.nan), b=NUMBERS),
    "a column that is all missing": frame(a=np.full(N, np.nan), b=NUMBERS),
    "more columns than rows": pd.DataFrame(RNG.normal(size=(25, 60))),
    "all categories": frame(a=RNG.choice(["x", "y"], N), b=RNG.choice(["u", "v", "w"], N)),
    "a category that comes once": frame(a=["x"] * (N - 1) + ["rare"], b=NUMBERS),
    "many categories": frame(a=[f"level {i}" for i in RNG.integers(0, 300, 3000)], b=RNG.normal(size=3000)),
    "too many categories": frame(a=[f"level {i}" for i in range(10_000)] * 2, b=RNG.normal(size=20_000)),
    "dates": frame(a=pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 999, N), "D"), b=NUMBERS),
    "dates with holes": frame(a=pd.to_datetime(["2020-01-01", None, "2021-05-06"] * 20), b=NUMBERS),
    "times of a zone": frame(
        a=pd.date_range("2020-01-01", periods=N, freq="7h", tz="Europe/Berlin"), b=NUMBERS
    ),
    "whole numbers beyond 2^53": frame(a=2**60 + RNG.integers(0, 1000, N), b=NUMBERS),
    "whole numbers far apart": frame(a=RNG.integers(-(2**62), 2**62, N), b=NUMBERS),
    "negative zeros": frame(a=np.where(RNG.random(N) < 0.5, -0.0, 0.0), b=NUMBERS),
    "truth as words": frame(a=RNG.choice(["true", "false"], N), b=NUMBERS),
    "truth": frame(a=RNG.random(N) < 0.5, b=RNG.random(N) < 0.1),
    "names to escape": frame(
        **{"=1+1": NUMBERS, "\x1b[31m": NUMBERS + 1, "a\nb": NUMBERS, "": NUMBERS, "é": NUMBERS}
    ),
    "the same column twice": frame(a=NUMBERS, b=NUMBERS),
    "columns that add up": frame(a=NUMBERS, b=NUMBERS**2, c=NUMBERS + NUMBERS**2),
    "repeated rows": frame(a=np.repeat(NUMBERS[:5], 12), b=np.repeat(NUMBERS[5:10], 12)),
    "0 and 1": frame(a=RNG.integers(0, 2, N), b=RNG.integers(0, 2, N)),
    "shares with many at the ends": frame(a=np.clip(RNG.normal(0.5, 0.5, 500), 0, 1)),
    "byte order mark": b"\xef\xbb\xbf" + csv("a,b", NUMBERS, NUMBERS),
    "decimal commas": csv("a;b", [f"{x:.3f};1".replace(".", ",") for x in NUMBERS]),
    "quotes with line breaks": csv('a,"b\nc"', NUMBERS, ['"x, ""y""\nz"', "u"] * (N // 2)),
    "blanks": csv(" a , b ", [f"  {x} " for x in NUMBERS], ["  x ", "y  "] * (N // 2)),
    "other words for missing": csv("a,b", ["?", "NA", "null", "1.5", "2.5", "3.25"] * 10, NUMBERS),
    "no line of names": csv("1.5,x", NUMBERS, ["x", "y"] * (N // 2)),
    "not UTF-8": csv("größe,b", NUMBERS, ["é", "ü"] * (N // 2)).decode().encode("latin-1"),
    "Windows line ends": csv("a,b", NUMBERS, NUMBERS).replace(b"\n", b"\r\n"),
}
REFUSED = {
    "one row": (frame(a=[1.0], b=[2.0]), "too few|no column is left"),
    "a few rows": (frame(a=NUMBERS[:9]), "9 rows are too few"),
    "no row": (frame(a=[]), "no rows"),
    "nothing but constants": (frame(a=np.ones(N), b=["x"] * N), "no column is left to learn"),
    "nothing but row names": (frame(a=[f"row {i}" for i in range(N)]), "no column is left to learn"),
    "infinity": (frame(a=np.r_[NUMBERS, np.inf]), "column 'a' has 1 infinite values, the first in row 61"),
    "wider than float64": (frame(a=np.r_[NUMBERS * 1e307, -1.7e308, 1.7e308]), "further than float64"),
    "mixed types": (frame(a=[1, "x", 2.5] * 20), "'a' holds values of different types"),
    "duplicate names": (pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "a"]), "same name"),
    "duplicate names in a file": (csv("a,a", NUMBERS, NUMBERS), "two columns are named 'a'"),
    "an empty file": (b"", "is empty"),
    "names and no row": (b"a,b\n", "no rows"),
    "rows of different lengths": (b"a,b\n" + b"1,2\n" * 30 + b"1,2,3\n", "Expected 2 columns, got 3"),
    "a word among numbers": (csv("a", [*NUMBERS, "x1"]), "numbers but for 1 values.*'x1' in row 61"),
    "zero bytes": (b"a,b\n" + b"\0" * 50, "not UTF-8"),
    "a damaged archive": (
        gzip.compress(csv("a,b", NUMBERS, NUMBERS), mtime=0)[:-20],
        "cannot be read|not UTF-8",
    ),
    "lists in cells": (frame(a=[[1, 2]] * N), "no column is left to learn"),
    "complex numbers": (frame(a=NUMBERS * 1j), "'a' holds values of different types, or of one"),
    "an array of objects": (np.array([["a", 1.0]] * N, dtype=object), "expected an array of numbers"),
}


def source(content, folder):
    if not isinstance(content, bytes):
        return content
    (folder / "t.csv").write_bytes(content)
    return folder / "t.csv"


@pytest.mark.parametrize("content", MODELS.values(), ids=MODELS.keys())
def test_a_model_with_finite_figures(tmp_path, content):
    table = read_table(source(content, tmp_path))
    model = TableDensity().fit(table, steps=2)
    assert np.isfinite(model.log_prob(table)).all()
    drawn = model.sample_table(20, seed=0)
    assert drawn.num_rows == 20
    for name in drawn.column_names:
        assert drawn[name].type == model.sample_table(0)[name].type
        if model.schema[name].categories:
            assert set(drawn[name].to_pylist()) <= {
                *read_table(table).require([name]).data[name].to_pylist(),
                None,
            }
    assert np.isfinite(model.log_prob(drawn)).all()


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_in_one_line(tmp_path, content, message):
    with pytest.raises(RheonError, match=message) as refused:
        TableDensity().fit(source(content, tmp_path), steps=2)
    assert len(str(refused.value)) < 400
