"""What one pass says of a table that is read in parts, beside what is said of it in memory."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import rheon
from rheon.cli import main
from rheon.errors import RheonError
from rheon.tables import StreamedTable, TableDensity, guess, open_table, read_table, scanning
from rheon.tables import streaming as streaming_module
from rheon.training import Checkpoints, Settings

N = 1200
SETTINGS = Settings(steps=20, batch_size=64, threads=1)


def mixed(n=N, seed=0):
    """Words, holes, dates, whole numbers that come as pairs, a count with a cap, tenths."""
    rng = np.random.default_rng(seed)
    word = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    x = rng.normal(np.where(word == "a", 2.0, -1.0))
    return pa.table(
        {
            "row": np.arange(n) + 7,
            "word": pa.array(word).dictionary_encode(),
            "truth": pa.array(rng.random(n) < 0.5, mask=rng.random(n) < 0.05),
            "x": pa.array(x, mask=rng.random(n) < 0.1),
            "pairs": 2 * rng.integers(0, 2000, n) + 1,
            "capped": np.minimum(rng.gamma(2, 30, n), 100.0),
            "tenths": rng.normal(20, 5, n).round(1),
            "day": pa.array(rng.integers(18000, 19000, n).astype(np.int32)).cast(pa.date32()),
        }
    )


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming_module, "memory_limit", lambda: 8 * N)
    monkeypatch.setattr(streaming_module, "WINDOW_BYTES", 1 << 14)
    parquet.write_table(mixed(), tmp_path / "t.parquet", row_group_size=170)
    return tmp_path / "t.parquet"


def test_the_columns_are_what_they_are_in_memory(file):
    streamed = open_table(file)
    assert isinstance(streamed, StreamedTable)
    assert streamed.schema == guess(mixed())
    assert streamed.schema["row"].kind == "id"
    kinds = {c.name: c.kind for c in streamed.schema.modelled}
    assert kinds == {
        "word": "categorical",
        "truth": "boolean",
        "x": "continuous",
        "pairs": "integer",
        "capped": "continuous",
        "tenths": "stepped",
        "day": "datetime",
    }


def test_what_a_sample_does_not_show_holds_for_all_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming_module, "memory_limit", lambda: 8 * N)
    monkeypatch.setattr(scanning, "_POOL_ROWS", 400)
    table = mixed().to_pydict()
    table["word"][0], table["pairs"][0], table["capped"][0] = "rare", -(10**6), -5.0
    table["tenths"] = [None, *table["tenths"][1:]]
    parquet.write_table(pa.table(table), tmp_path / "t.parquet", row_group_size=170)
    streamed = open_table(tmp_path / "t.parquet")
    assert 0 not in streamed.pool_rows
    schema = streamed.schema
    assert schema["word"].categories == ("a", "b", "c", "rare")
    assert (schema["pairs"].low, schema["pairs"].step) == (-(10**6), 1), "an even number among odd ones"
    assert schema["capped"].low is None
    assert schema["tenths"].missing == pytest.approx(1 / N)
    assert schema["truth"].missing == pytest.approx(np.mean([t is None for t in table["truth"]]))
    assert schema["row"].kind == "id", "though only some of its numbers were seen"
    model = TableDensity().fit(tmp_path / "t.parquet", settings=SETTINGS)
    assert np.isfinite(model.log_prob(pa.table(table))).all()


def test_text_of_too_many_values_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming_module, "memory_limit", lambda: 8 * N)
    monkeypatch.setattr(scanning, "_POOL_ROWS", 300)
    words = [f"w{i % 30}" for i in range(N)]
    pool = np.random.default_rng([0, N]).choice(N, 300, replace=False)
    for i in set(range(N)) - set(pool.tolist()):
        words[i] = f"own {i}"
    monkeypatch.setattr(scanning, "MOST_CATEGORIES", 500)
    parquet.write_table(mixed().append_column("text", pa.array(words)), tmp_path / "t.parquet")
    column = open_table(tmp_path / "t.parquet").schema["text"]
    assert (column.kind, column.note) == ("text", "more than 500 different values")


def test_the_fingerprint_sees_every_kind_of_value(tmp_path, file):
    prints = {open_table(file).fingerprint()}
    table = mixed().to_pydict()
    changes = {
        "word": ("b", "c"),
        "truth": (None, True),
        "x": (None, 0.0),
        "pairs": (3, 5),
        "tenths": (0.1, 0.2),
    }
    for name, values in changes.items():
        new = dict(table)
        new[name] = [next(v for v in values if v != new[name][0]), *new[name][1:]]
        columns = {n: pa.array(v, mixed()[n].type if n != "word" else pa.string()) for n, v in new.items()}
        parquet.write_table(pa.table(columns), tmp_path / "o.parquet", row_group_size=170)
        prints.add(open_table(tmp_path / "o.parquet").fingerprint())
    assert len(prints) == 1 + len(changes)


def test_a_streamed_fit_of_mixed_columns_learns_what_a_fit_in_memory_does(file, monkeypatch):
    fresh, figures = mixed(600, seed=5), []
    for limit in (1 << 40, 1):
        monkeypatch.setattr(streaming_module, "memory_limit", lambda limit=limit: limit)
        model = TableDensity().fit(file, settings=Settings(steps=150, learning_rate=0.01, threads=1))
        figures.append(model.log_prob(fresh, draws=4).mean())
        assert model.targets == tuple(mixed().column_names[1:])
    assert abs(figures[0] - figures[1]) < 0.25
    drawn = model.sample_table(50, seed=0)
    assert drawn.schema.field("day").type == pa.date32()
    assert set(np.mod(drawn["pairs"].to_numpy(), 2)) == {1}


def test_a_run_of_mixed_columns_that_goes_on_has_the_same_weights(file, tmp_path):
    def run(stop=None, keep=True):
        model = TableDensity(given=["word"])
        checkpoints = Checkpoints(tmp_path / "c", tell=print) if keep else None
        for record in model.training(file, SETTINGS, checkpoints):
            if record.step == stop:
                checkpoints.save()
                break
        return model

    wanted = run(keep=False)
    assert wanted.info["data"]["validation_rows"] == 120
    run(stop=7)
    gone_on = run()
    pairs = zip(wanted.parts, gone_on.parts, strict=True)
    assert all(
        torch.equal(p, q)
        for one, other in pairs
        for p, q in zip(one.parameters(), other.parameters(), strict=True)
    )
    run(stop=7)
    parquet.write_table(mixed(seed=1), file)
    with pytest.raises(RheonError, match=r"differs in .*data"):
        run()


def test_the_command_fits_scores_and_samples_it(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "t.parquet", "--steps", "5", "--out", "m.rheon"]) == 0
    shown = capsys.readouterr().out
    assert "too large for memory" in shown
    assert "categorical  a, b, c" in shown
    assert main(["score", "m.rheon", "t.parquet", "--out", "s.parquet"]) == 0
    scores = read_table("s.parquet").data["log_prob_nats"].to_numpy()
    np.testing.assert_array_equal(scores, rheon.load("m.rheon").log_prob(mixed()))


def test_what_cannot_be_said_of_it(file):
    with pytest.raises(RheonError, match="a schema is for tables that fit into memory"):
        TableDensity(schema=guess(mixed())).fit(file, steps=1)
    with pytest.raises(RheonError, match="no column 'z'"):
        TableDensity(given=["z"]).fit(file, steps=1)
