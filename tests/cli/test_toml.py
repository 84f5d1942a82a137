"""A run as flags, as a file and as what a model records are the same."""

import dataclasses
import tomllib

import numpy as np
import pytest

import rheon as library
from rheon.cli.image_options import Pictures, Variety
from rheon.cli.run import Run
from rheon.cli.toml import as_toml, read_toml
from rheon.errors import RheonError
from rheon.training import Settings
from tests.cli.conftest import config


@pytest.mark.parametrize("name", ["x.csv", 'a "b"\\c\n\t\x7f\x1b[31m', "é€😀", "#[training]"])
@pytest.mark.parametrize("settings", [Settings(), Settings(steps=3, clip=None, betas=(0.5, 0.6), threads=2)])
def test_what_is_written_is_read_back(here, name, settings):
    run = Run(
        data=name,
        out=name,
        architecture=name,
        test_share=1e-5,
        levels=4,
        pictures=Pictures(size="8x9", crop="none", grey=True),
    )
    (here / "run.toml").write_text(as_toml(run, settings))
    values = read_toml(here / "run.toml")
    assert Settings.from_dict(values["training"]) == settings
    read = Run.from_dict(values)
    assert dataclasses.replace(read, training=run.training) == run


def test_every_choice_is_there_and_explained():
    text = as_toml(Run(data="x"), Settings())
    for name in (
        field.name for cls in (Run, Pictures, Variety, Settings) for field in dataclasses.fields(cls)
    ):
        assert f"\n{name} = " in text or f"\n# {name} =" in text or f"\n[{name}]" in text or name == "data"
    assert "# Share of the budget in which the rate rises from zero.\nwarmup = 0.05\n" in text


def test_printed_it_is_accepted_back(here, rheon):
    np.save("colours.npy", np.zeros((12, 4, 4, 3), np.uint8))
    for data, model in (("moons", library.TableDensity()), ("colours.npy", library.ImageDensity())):
        printed = rheon(f"fit {data} --print-config --seed 3 --clip none")
        assert (printed.code, printed.err) == (0, "")
        values = tomllib.loads(printed.out)
        own = model.settings().learning_rate
        assert values["training"]["learning_rate"] == own, "as suits the kind of data"
        (here / "run.toml").write_text(printed.out)
        assert rheon("fit --config run.toml --print-config").out == printed.out
    assert {file.name for file in here.iterdir()} == {"colours.npy", "run.toml"}


@pytest.mark.usefixtures("bare")
def test_a_file_is_the_flags_and_flags_win(here, rheon):
    (here / "run.toml").write_text(
        'data = "moons"\nout = "a"\narchitecture = "nice"\n'
        '[training]\nsteps = 2\nthreads = 1\nclip = "none"\n'
    )
    assert rheon("fit --config run.toml").code == 0
    assert rheon("fit moons --out b --architecture nice --steps 2 --threads 1 --clip none").code == 0
    a, b = ((here / name / "model.safetensors").read_bytes() for name in "ab")
    assert a == b
    assert config(here / "a")["settings"] == config(here / "b")["settings"]
    assert rheon("fit rings --config run.toml --out c --minutes 0.001 --batch-size 20").code == 0
    facts = config(here / "c")
    assert (facts["data"]["source"], facts["architecture"]["name"]) == ("rings", "nice")
    recorded = Settings.from_dict(facts["settings"])
    assert (recorded.minutes, recorded.steps, recorded.batch_size, recorded.clip) == (0.001, None, 20, None)
    assert library.load(here / "c").info["settings"] == facts["settings"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data = 'moons'\nsead = 1", "run.toml: a run has no 'sead'"),
        ("data = 'moons'\n[training]\nbach_size = 1", "did you mean 'batch_size'?"),
        ("data = 'moons'\n[trainings]\nseed = 1", "did you mean 'training'?"),
        ("data = 'moons'\n[training]\nclip = true", "clip must be a number above 1, or None, not True"),
        ("data = 3", "data must be text, not 3"),
        ("data =", "run.toml is not TOML"),
        ("[training]\nseed = 1", "DATA is missing"),
        ("data = 'mons'", "did you mean moons?"),
    ],
)
def test_a_file_that_is_wrong(here, rheon, text, says):
    (here / "run.toml").write_text(text)
    shown = rheon("fit --config run.toml")
    assert shown.code in (2, 3)
    assert says in shown.err
    assert shown.err.count("\n") == 1


def test_a_file_that_is_not_there(here):
    (here / "latin").write_bytes(b"data = '\xe9'")
    for name, says in (("nothing", "No such file"), (".", "Is a directory"), ("latin", "is not TOML")):
        with pytest.raises(RheonError, match=says):
            read_toml(here / name)
