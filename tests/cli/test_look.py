from PIL import Image

PICTURES = ["bits", "interpolation", "nearest", "reconstruction", "scales", "temperatures"]


def test_pictures_of_what_a_model_holds(models, here, rheon):
    shown = rheon(f"look {models}/digits.rheon digits --out p -n 5")
    assert (shown.code, shown.err) == (0, "")
    assert sorted(file.stem for file in (here / "p").iterdir()) == PICTURES
    with Image.open(here / "p/interpolation.png") as grid:
        assert grid.size == (5 * 60 + 4, 5 * 60 + 4)
    assert all(f"p/{name}.png" in shown.out for name in PICTURES)


def test_without_data_only_draws(models, here, rheon):
    assert rheon(f"look {models}/digits.rheon --out p").code == 0
    assert [file.name for file in (here / "p").iterdir()] == ["temperatures.png"]


def test_a_table_is_nothing_to_look_at(models, here, rheon):
    shown = rheon(f"look {models}/moons.rheon --out p")
    assert (shown.code, "model of rows" in shown.err) == (2, True)
    assert not (here / "p").exists()


def test_a_file_is_no_folder(models, here, rheon):
    (here / "p").write_text("mine")
    shown = rheon(f"look {models}/digits.rheon --out p")
    assert (shown.code, "is a file; give the name of a folder" in shown.err) == (2, True)
