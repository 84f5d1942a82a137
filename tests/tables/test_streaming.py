import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import feather, parquet

import rheon
from rheon.errors import DataError
from rheon.models import new
from rheon.tables import StreamedTable, TableDensity, guess, open_table, read_in_parts, read_table
from rheon.tables import streaming as streaming_module
from rheon.tables.parts import Parts
from rheon.training import Checkpoints, Settings

N = 1000


def columns(n=N, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return {
        "x": x,
        "text": [f"{i}" for i in range(n)],
        "k": rng.integers(-50, 50, n),
        "same": np.full(n, 3.5),
        "y": (1e6 + 0.5 * x + 0.1 * rng.normal(size=n)).astype(np.float32),
        "id": np.arange(n) + 2**60,
        "none": pa.nulls(n, pa.float64()),
    }


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table(columns()), path, row_group_size=170)
    return path


@pytest.fixture
def tiny(monkeypatch):
    """So little memory that every file is streamed, through windows of few rows."""
    monkeypatch.setattr(streaming_module, "memory_limit", lambda: 8 * N)
    monkeypatch.setattr(streaming_module, "WINDOW_BYTES", 12 * 16 * 20)  # 20 rows in each of 16 blocks


NUMBERS = ("x", "k", "y")


def numbers(path):
    """The columns of numbers that vary."""
    return read_table(path).require(NUMBERS)


def encode(table):
    return torch.from_numpy(table.values), None


def test_a_table_is_streamed_where_it_takes_an_eighth_of_what_the_libraries_leave(file, monkeypatch):
    size = 8 * N * 7
    for more, kind in ((0, StreamedTable), (1, rheon.tables.Table)):
        limit = 2**30 + 8 * size + more
        monkeypatch.setattr(streaming_module, "memory_limit", lambda limit=limit: limit)
        assert type(open_table(file)) is kind


def test_it_is_the_same_table_as_in_memory(file, tiny):
    streamed, whole = open_table(str(file)), numbers(file)
    assert isinstance(streamed, StreamedTable)
    assert len(streamed) == len(whole)
    assert streamed.columns == whole.columns
    guessed = guess(read_table(file).data)
    assert streamed.schema == guessed
    assert {c.note for c in streamed.schema.columns} >= {"constant (3.5)", "no values"}
    np.testing.assert_array_equal(streamed.sample(N, 0).values, whole.values)
    x, _ = streamed.source(encode).batch(torch.arange(N), torch.Generator())
    np.testing.assert_array_equal(x, whole.values)


def test_rows_held_out_are_not_among_those_to_learn(file, tiny, untouched_rng):
    whole = numbers(file).values
    learn, test = open_table(file).split(0.2, seed=1)
    learn, choose = learn.split(0.1, seed=1)
    assert (len(learn), len(choose), len(test)) == (720, 80, 200)
    source = learn.source(encode)
    order = source.order(batch_size=72, seed=0)
    epoch = torch.cat([source.batch(order.rows(step), torch.Generator())[0] for step in range(10)])
    together = np.concatenate((epoch.numpy(), choose.values, test.values))
    np.testing.assert_array_equal(together[np.lexsort(together.T)], whole[np.lexsort(whole.T)])
    sample = learn.sample(100, seed=2).values
    assert len(sample) == 100
    assert set(map(tuple, sample)) <= set(map(tuple, epoch.numpy()))
    again, other = open_table(file).split(0.2, seed=1)[1], open_table(file).split(0.2, seed=2)[1]
    np.testing.assert_array_equal(again.values, test.values)
    assert not np.array_equal(other.values, test.values)


def test_the_fingerprint_sees_one_value_and_the_split(tmp_path, tiny):
    def fingerprint(changes, **options):
        parquet.write_table(pa.table(columns() | changes), tmp_path / "t.parquet", **options)
        return open_table(tmp_path / "t.parquet")

    first = fingerprint({})
    changed = columns()["x"].copy()
    changed[777] = np.nextafter(changed[777], 9)
    assert fingerprint({}).fingerprint() == first.fingerprint()
    assert fingerprint({"x": changed}).fingerprint() != first.fingerprint()
    splits = {first.split(0.1, seed)[0].fingerprint() for seed in range(3)}
    assert len(splits) == 3


def test_a_run_that_goes_on_has_the_same_weights_and_other_data_are_refused(file, tmp_path, tiny):
    settings = Settings(steps=30, batch_size=64, threads=1)

    def run(stop=None, keep=True):
        model = TableDensity("nice")
        checkpoints = Checkpoints(tmp_path / "c", tell=print) if keep else None
        for record in model.training(file, settings, checkpoints):
            if record.step == stop:
                checkpoints.save()
                break
        return model

    wanted = run(keep=False)
    assert wanted.info["data"]["validation_rows"] == 100
    run(stop=11)
    gone_on = run()
    for one, other in zip(wanted.flow.parameters(), gone_on.flow.parameters(), strict=True):
        assert torch.equal(one, other)
    run(stop=11)
    parquet.write_table(pa.table(columns(seed=1)), file)
    with pytest.raises(rheon.RheonError, match=r"differs in .*data"):
        run()


def test_a_streamed_fit_learns_what_a_fit_in_memory_does(tmp_path, monkeypatch):
    def rows(n, seed):
        x, noise, z = np.random.default_rng(seed).normal(size=(3, n))
        return pa.table({"x": x, "y": 1e6 + 0.5 * x + 0.1 * noise, "z": z})

    parquet.write_table(rows(2000, 0), tmp_path / "t.parquet", row_group_size=300)
    fresh = rows(1000, 5)
    figures = []
    for limit in (1 << 40, 1):
        monkeypatch.setattr(streaming_module, "memory_limit", lambda limit=limit: limit)
        monkeypatch.setattr(streaming_module, "WINDOW_BYTES", 12 * 1600)
        model = rheon.fit(tmp_path / "t.parquet", steps=120, seed=1)
        figures.append(model.log_prob(fresh).mean())
    assert abs(figures[0] - figures[1]) < 0.05


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"x": np.r_[np.zeros(700), np.nan, np.inf, np.zeros(298)]},
            r"in rows 631 to 720, counting from the first of these: column 'x' has 1 infinite .* in row 72;",
        ),
        ({"x": np.ones(N), "k": np.ones(N), "y": np.ones(N)}, r"no column is left to learn \('x': constant"),
    ],
)
def test_what_no_density_can_be_learned_from(tmp_path, tiny, changes, says):
    parquet.write_table(pa.table(columns() | changes), tmp_path / "t.parquet", row_group_size=90)
    with pytest.raises(DataError, match=says):
        open_table(tmp_path / "t.parquet")


def test_a_folder_is_a_table(tmp_path, tiny):
    folder = tmp_path / "parts"
    folder.mkdir()
    table = pa.table(columns())
    parquet.write_table(table[:300], folder / "1.parquet")
    feather.write_feather(table[300:], str(folder / "2.feather"), chunksize=77)
    streamed = open_table(folder)
    np.testing.assert_array_equal(streamed.sample(N, 0).values, numbers(folder).values)
    assert read_table(folder).data.equals(table)
    assert isinstance(new(folder), TableDensity)


def test_parts_to_score_are_the_rows_in_order(file):
    whole = read_table(file).require(("y", "x", "same"))
    parts = list(read_in_parts(file, ("y", "x", "same"), rows=64))
    assert [len(part) for part in parts] == [64] * 15 + [40]
    np.testing.assert_array_equal(np.concatenate([part.values for part in parts]), whole.values)
    assert {part.columns for part in parts} == {whole.columns}


def test_what_cannot_be_scored_is_found_where_it_is(tmp_path):
    parquet.write_table(pa.table(columns()), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"no column 'sam'; did you mean 'same'\?"):
        next(read_in_parts(tmp_path / "t.parquet", ("x", "sam"), 100))


def test_blocks_of_one_large_group_are_read_in_one_pass(tmp_path, tiny, monkeypatch):
    parquet.write_table(pa.table(columns()), tmp_path / "t.parquet", row_group_size=N)
    table, passes, of_group = open_table(tmp_path / "t.parquet"), [], Parts.of_group

    def counted(self, group, *rest):
        passes.append(group)
        return of_group(self, group, *rest)

    monkeypatch.setattr(Parts, "of_group", counted)
    source = table.source(lambda t: (torch.from_numpy(t.values).float(), None))
    order = source.order(batch_size=10, seed=0)
    for step in range(N // 10):
        source.batch(order.rows(step), torch.Generator())
    assert len(source._lengths) == 50  # of 20 rows
    assert len(passes) == 4  # windows of 16 blocks
