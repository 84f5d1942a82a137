"""What the command makes of pictures: options as the library has them, parts as the data bring them."""

import numpy as np
import pytest
from PIL import Image

import rheon as library
from rheon.cli.image_options import Pictures, Variety
from rheon.images import Flip, Preparation, Shift
from tests.cli.conftest import config

RNG = np.random.default_rng(0)


def photographs(folder, n=6, size=(24, 32)):
    folder.mkdir(exist_ok=True)
    for i in range(n):
        Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def test_options_are_those_of_the_library():
    assert Pictures().preparation() == Preparation()
    asked = Pictures(size="8x9", crop="random", grey=True, background="white", strict=True)
    assert asked.preparation() == Preparation((8, 9), "random", False, "white", True)
    assert Pictures(size=8).preparation() == Preparation((8, 8))
    assert Pictures(colour=True).preparation().colour is True
    assert Variety(flip=True, shift=2).augment() == (Flip(), Shift(2))
    assert Variety().augment() == ()


@pytest.mark.usefixtures("bare")
def test_a_folder_of_photographs_in_two_words(here, rheon):
    photographs(here / "photos")
    (here / "photos" / "odd.png").write_bytes(b"hello")
    shown = rheon("fit ./photos --size 8 --crop random --steps 2 --architecture nice --flip --shift 1")
    assert shown.code == 0, shown.err
    assert "6 pictures cut up at random places, not scaled; 1 left out" in shown.out
    assert "1 picture left out: odd.png: cannot be read as a picture" in shown.err
    assert library.load(here / "photos.rheon").sample(2, seed=0).shape == (2, 8, 8, 3)
    scored = rheon("score photos.rheon ./photos --size 8 --out s.csv")
    assert scored.code == 0, scored.err
    assert [line.split(",")[1] for line in (here / "s.csv").read_text().splitlines()[1:]] == [
        f'"{i}.png"' for i in range(6)
    ]
    strict = rheon("fit ./photos --size 8 --strict --steps 2 --out t.rheon")
    assert (strict.code, "odd.png" in strict.err) == (3, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--size 8x", "no size"),
        ("--size eight", "no size"),
        ("--size 0", "from 1 to 4096"),
        ("--size 8x8x8", "no size"),
        ("--crop left", "left"),
        ("--crop random", "size of the crops"),
        ("--grey --colour", "not both"),
        ("--background nothing", "colour name"),
        ("--shift 0", "shift"),
        ("--shift -1", "shift"),
    ],
)
def test_options_that_make_no_sense_are_refused(here, rheon, words, reason):
    photographs(here / "p")
    shown = rheon(f"fit p --steps 1 {words}")
    assert shown.code == 2
    assert reason in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("words", ["--size 8", "--flip", "--grey", "--strict"])
def test_options_of_pictures_are_refused_for_a_table(here, rheon, words):
    shown = rheon(f"fit moons --steps 1 {words}" if words == "--flip" else f"fit t.csv --steps 1 {words}")
    if words != "--flip":
        (here / "t.csv").write_text("a,b\n" + "\n".join(f"{i},{i * i}" for i in range(40)))
        shown = rheon(f"fit t.csv --steps 1 {words}")
    assert shown.code == 2
    assert "is a table" in shown.err


def test_photos_are_measured_on_their_own_test_part(here, rheon, monkeypatch):
    monkeypatch.setattr("rheon.cli.baselines._GAUSSIAN_DIMS", 0)  # it takes most of the time
    shown = rheon("fit photos --steps 2 --architecture nice --threads 1")
    assert shown.code == 0, shown.err
    facts = config(here / "photos.rheon")
    assert facts["data"]["test_images"] == facts["figures"]["test_images"] == 424
    assert facts["data"]["training_images"] + facts["data"]["validation_images"] > 1000
    model = library.load(here / "photos.rheon")
    test = library.images.read_images("photos").test
    assert facts["figures"]["bits_per_dim"] == pytest.approx(model.bits_per_dim(test).mean())
    assert "columns 256 to 384 of both kept apart to test on" in shown.out


@pytest.mark.usefixtures("bare")
def test_pictures_decoded_as_they_are_wanted_give_the_same_weights(here, rheon, monkeypatch):
    words = "fit ./p --size 8 --crop random --flip --architecture nice --threads 1 --steps 3 --out"
    photographs(here / "p")
    assert rheon(f"{words} held.rheon").code == 0
    monkeypatch.setattr("rheon.images.pictures.MEMORY", 0)
    assert "decoded as they are wanted" in rheon(f"{words} lazy.rheon").out
    first, second = ((here / f"{name}.rheon" / "model.safetensors").read_bytes() for name in ("held", "lazy"))
    assert first == second
