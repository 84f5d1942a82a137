import math

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

import rheon as library
from rheon.datasets import TOYS, load_digits
from rheon.images import anomaly_scores
from rheon.tables import read_table
from rheon.tables.tiles import TILE


def test_images(models, here, rheon):
    shown = rheon(f"score {models}/digits.rheon digits --out scores.parquet")
    table = pq.read_table(here / "scores.parquet").to_pydict()
    assert list(table) == ["index", "log_prob_nats", "bits_per_dim", "likelihood"]
    assert set(table["likelihood"]) == {"exact log P of the levels"}
    expected = library.load(models / "digits.rheon").log_prob(load_digits().images)
    np.testing.assert_array_equal(table["log_prob_nats"], expected)
    np.testing.assert_allclose(table["bits_per_dim"], -expected / (64 * math.log(2)), rtol=1e-12)
    assert table["index"] == list(range(1797))
    bits = np.array(table["bits_per_dim"])
    assert (
        f"bits_per_dim of 1,797 images: {bits.mean():.4f} ± {bits.std(ddof=1) / 1797**0.5:.4f} (exact log P "
        "of the levels)\n"
    ) in shown.out
    assert "fitted on digits" in shown.err


def test_draws_and_seed_reach_the_bound(models, here, rheon):
    images = load_digits().images[:20]
    np.save("some.npy", images)
    rheon(f"score {models}/digits.rheon some.npy --draws 3 --seed 5 --out scores.csv")
    found = pyarrow.csv.read_csv(here / "scores.csv")["log_prob_nats"].to_numpy()
    model = library.load(models / "digits.rheon")
    np.testing.assert_array_equal(found, model.log_prob(images, draws=3, seed=5))
    assert not np.array_equal(found, model.log_prob(images)), (
        "to the last bits: the noise changes no probability"
    )


def test_pictures_in_files_are_named(models, here, rheon):
    (here / "pictures").mkdir()
    for i in (2, 1):
        Image.fromarray(load_digits().images[i]).save(here / "pictures" / f"{i}.png")
    assert rheon(f"score {models}/digits.rheon pictures --out scores.csv").code == 0
    table = pyarrow.csv.read_csv(here / "scores.csv").to_pydict()
    assert table["name"] == ["1.png", "2.png"]
    expected = library.load(models / "digits.rheon").log_prob(load_digits().images[1:3])
    np.testing.assert_array_equal(table["log_prob_nats"], expected)


def test_anomaly_scores_are_columns(models, here, rheon):
    np.save("some.npy", load_digits().images[:20])
    assert rheon(f"score {models}/digits.rheon some.npy --anomaly --out scores.parquet").code == 0
    table = pq.read_table(here / "scores.parquet").to_pydict()
    expected = anomaly_scores(library.load(models / "digits.rheon"), load_digits().images[:20])
    for name in ("typicality", "complexity", "latent_norm"):
        np.testing.assert_array_equal(table[name], expected[name])
    for words in (
        f"{models}/digits.rheon some.npy --anomaly",
        f"{models}/moons.rheon moons --anomaly --out a.csv",
    ):
        assert "--anomaly is for models of images" in rheon(f"score {words}").err


def test_rows(models, here, rheon):
    x = TOYS["moons"].sample(7, seed=9)
    np.save("x.npy", x)
    shown = rheon(f"score {models}/moons.rheon x.npy --out scores.csv")
    table = pyarrow.csv.read_csv(here / "scores.csv").to_pydict()
    expected = library.load(models / "moons.rheon").log_prob(x)
    assert list(table) == ["log_prob_nats", "percentile", "anomaly"]
    np.testing.assert_array_equal(table["log_prob_nats"], expected)
    model = library.load(models / "moons.rheon")
    np.testing.assert_allclose(table["percentile"], model.percentile(expected), rtol=1e-6)
    assert table["anomaly"] == (expected < model.threshold(0.01)).tolist()
    assert f"log_prob_nats of 7 rows: {expected.mean():.4f} ± " in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("out", ["scores.parquet", "scores.csv", "scores.feather"])
def test_a_file_is_scored_in_parts_with_the_same_bits(models, here, rheon, monkeypatch, out):
    monkeypatch.setattr("rheon.cli.rows._VALUES", 1)  # a tile at a time
    model = library.load(models / "moons.rheon")
    x = TOYS["moons"].sample(2 * TILE + 500, seed=9)
    pq.write_table(pa.table({"x1": x[:, 1], "x0": x[:, 0]}), here / "x.parquet", row_group_size=3000)
    shown = rheon(f"score {models}/moons.rheon x.parquet --out {out}")
    expected = model.log_prob(x)
    table = read_table(here / out)
    assert table.columns == ("log_prob_nats", "percentile", "anomaly")
    np.testing.assert_array_equal(table.data["log_prob_nats"].to_numpy(), expected)
    error = expected.std(ddof=1) / len(x) ** 0.5
    assert f"{out}: 4,596 scores\n" in shown.out
    assert f"log_prob_nats of 4,596 rows: {expected.mean():.4f} ± {error:.4f}\n" in shown.out


def test_a_folder_of_files_is_scored(models, here, rheon):
    (here / "parts").mkdir()
    x = TOYS["moons"].sample(30, seed=9)
    for name, part in (("b", x[20:]), ("a", x[:20])):
        pq.write_table(pa.table({"x0": part[:, 0], "x1": part[:, 1]}), here / "parts" / f"{name}.parquet")
    assert rheon(f"score {models}/moons.rheon parts --out s.csv").code == 0
    expected = library.load(models / "moons.rheon").log_prob(x)
    np.testing.assert_array_equal(read_table(here / "s.csv").data["log_prob_nats"].to_numpy(), expected)


def test_nothing_is_written_where_a_later_part_is_bad(models, here, rheon, monkeypatch):
    monkeypatch.setattr("rheon.cli.rows._VALUES", 1)
    x = np.zeros((5000, 2))
    x[4999] = np.inf
    pq.write_table(pa.table({"x0": x[:, 0], "x1": x[:, 1]}), here / "x.parquet")
    shown = rheon(f"score {models}/moons.rheon x.parquet --out s.parquet")
    assert shown.code == 3
    assert "in rows 4,097 to 5,000, counting from the first of these: column 'x0' has 1 infinite" in shown.err
    assert [file.name for file in here.iterdir()] == ["x.parquet"]


def test_anomalies_are_told_and_explained(models, here, rheon, monkeypatch):
    monkeypatch.setattr("rheon.cli.rows._VALUES", 1)
    x = TOYS["moons"].sample(TILE + 300, seed=9)
    x[[3, TILE + 5]] = [[0.5, 40.0], [-50.0, 0.2]]
    pq.write_table(pa.table({"x0": x[:, 0], "x1": x[:, 1]}), here / "x.parquet")
    shown = rheon(f"score {models}/moons.rheon x.parquet --contamination 0.002 --explain 1 --out s.parquet")
    table = pq.read_table(here / "s.parquet").to_pydict()
    model = library.load(models / "moons.rheon")
    odd = model.log_prob(x) < model.threshold(0.002)
    assert table["anomaly"] == odd.tolist()
    assert (table["unusual_1"][3], table["unusual_1"][TILE + 5]) == ("x1", "x0")
    assert [value is not None for value in table["excess_1"]] == odd.tolist()
    assert table["surprisal_1"][3] == model.explain(x[3:4], columns=1).surprisal[0, 0]
    assert f"anomalies: {odd.sum():,} of 2,348 rows, log p below" in shown.out
    assert "0.2 % have" in shown.out
    every = rheon(f"score {models}/moons.rheon x.parquet --contamination 1 --out s.parquet")
    assert "anomalies: 2,348 of 2,348 rows" in every.out


def test_an_older_model_gives_no_percentile(models, here, rheon):
    model = library.load(models / "moons.rheon")
    model.ordinary = None
    model.save(here / "old.rheon")
    np.save("x.npy", TOYS["moons"].sample(3, seed=9))
    shown = rheon("score old.rheon x.npy --explain 2 --out s.csv")
    assert shown.code == 0
    assert "no percentile and no anomalies; fit it anew" in shown.err
    assert read_table(here / "s.csv").columns == (
        "log_prob_nats",
        *("unusual_1", "surprisal_1", "excess_1", "unusual_2", "surprisal_2", "excess_2"),
    )


@pytest.mark.parametrize(
    "words", ["digits.rheon digits --explain 2 --out a.csv", "moons.rheon moons --contamination 0.1"]
)
def test_flags_of_rows_need_rows_and_a_file(models, here, rheon, words):
    shown = rheon(f"score {models}/{words}")
    assert shown.code == 2
    assert "are for models of tables, and add columns to --out" in shown.err


def test_one_row_has_no_standard_error(models, here, rheon):
    np.save("x.npy", np.zeros((1, 2)))
    assert "±" not in rheon(f"score {models}/moons.rheon x.npy").out


def test_a_toy_is_scored_on_fresh_draws_beside_the_truth(models, here, rheon, monkeypatch):
    monkeypatch.setattr("rheon.cli.data.TOY_ROWS", 400)
    shown = rheon(f"score {models}/moons.rheon moons --out a.csv")
    again = rheon(f"score {models}/moons.rheon moons --seed 1 --out b.csv")
    assert "of the true density: -0.98" in shown.out
    assert shown.err == "", "these rows were not fitted on"
    assert (here / "a.csv").read_bytes() != (here / "b.csv").read_bytes()
    assert shown.out != again.out


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((2, 9, 9), np.uint8), "1×9×9"),
        (np.full((2, 8, 8), 17, np.uint8), "values up to 17"),
        (np.full((2, 8, 8), 0.5), "whole numbers"),
    ],
)
def test_images_that_are_not_of_the_models_kind(models, here, rheon, images, says):
    np.save("other.npy", images)
    shown = rheon(f"score {models}/digits.rheon other.npy --out scores.csv")
    assert shown.code == 3
    assert says in shown.err
    assert not (here / "scores.csv").exists()
