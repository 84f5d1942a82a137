import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from rheon.errors import DataError
from rheon.images.reading import read_images

rng = np.random.default_rng(0)
GREY = rng.integers(0, 256, (4, 6, 9), dtype=np.uint8)
COLOUR = rng.integers(0, 256, (4, 6, 9, 3), dtype=np.uint8)


def fill(folder, images, suffix="png", **options):
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i}.{suffix}", **options)
    return folder


@pytest.mark.parametrize(
    ("suffix", "options"), [("png", {}), ("bmp", {}), ("webp", {"lossless": True}), ("PNG", {})]
)
def test_a_folder_of_pictures_without_loss(tmp_path, suffix, options):
    found = read_images(fill(tmp_path, COLOUR, suffix, **options))
    assert np.array_equal(found.images, COLOUR.transpose(0, 3, 1, 2))
    assert found.layout == "NHWC"
    assert found.names == tuple(f"{i}.{suffix}" for i in range(4))
    assert found.description.startswith("4 colour images of 6×9 pixels with 256 levels")


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    fill(tmp_path, GREY, "jpg")
    with Image.open(tmp_path / "2.jpg") as image:
        assert np.array_equal(read_images(tmp_path).images[2, 0], np.asarray(image))


def test_grey_black_and_white_and_one_file(tmp_path):
    assert np.array_equal(read_images(fill(tmp_path, GREY)).images[:, 0], GREY)
    one = read_images(tmp_path / "3.png")
    assert np.array_equal(one.images[0, 0], GREY[3])
    assert one.names == ("3.png",)
    (tmp_path / "bits").mkdir()
    bits = read_images(fill(tmp_path / "bits", GREY > 127))
    assert np.array_equal(bits.images[:, 0], GREY > 127)
    assert bits.levels == 2


def test_grey_among_colour_is_read_as_colour(tmp_path):
    fill(tmp_path, COLOUR)
    Image.fromarray(GREY[0]).save(tmp_path / "0.png")
    found = read_images(tmp_path)
    assert np.array_equal(found.images[0], np.stack([GREY[0]] * 3))
    assert np.array_equal(found.images[1:], COLOUR[1:].transpose(0, 3, 1, 2))


def test_folders_below_are_read_and_other_files_are_not(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, GREY[:1] if name == "a" else GREY[1:2])
    (tmp_path / "labels.csv").write_text("x")
    (tmp_path / ".hidden.png").write_text("x")
    found = read_images(tmp_path)
    assert found.names == ("a/0.png", "b/0.png")
    assert np.array_equal(found.images[:, 0], GREY[:2])


def test_alpha_that_covers_is_left_out_and_other_alpha_refused(tmp_path):
    opaque = np.concatenate([COLOUR[0], np.full((6, 9, 1), 255, np.uint8)], axis=-1)
    Image.fromarray(opaque).save(tmp_path / "a.png")
    assert np.array_equal(read_images(tmp_path).images[0], COLOUR[0].transpose(2, 0, 1))
    opaque[2, 3, 3] = 254
    Image.fromarray(opaque).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png has transparent pixels"):
        read_images(tmp_path)


def test_palette_is_colour_and_exif_turns(tmp_path):
    Image.fromarray(COLOUR[0]).quantize(64).save(tmp_path / "p.png")
    assert read_images(tmp_path / "p.png").images.shape == (1, 3, 6, 9)
    upright = Image.fromarray(GREY[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    upright.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_images(tmp_path / "turned.png").images[0, 0], np.rot90(GREY[0], -1))


def test_the_odd_one_is_named(tmp_path):
    fill(tmp_path, GREY)
    Image.fromarray(GREY[0, 1:]).save(tmp_path / "2.png")
    with pytest.raises(DataError, match=r"2.png is 9×5 pixels, 3 of 4 are 9×6"):
        read_images(tmp_path)


def test_no_pictures(tmp_path):
    with pytest.raises(DataError, match=r"holds no picture; expected files that end in \.png"):
        read_images(tmp_path)


def png_of_size(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def damaged(tmp_path):
    whole = (tmp_path / "0.png").read_bytes()
    sixteen = tmp_path / "sixteen.png"
    Image.fromarray(GREY[0].astype(np.uint16) * 257).save(sixteen)
    film = tmp_path / "film.webp"
    frames = [Image.fromarray(image) for image in COLOUR]
    frames[0].save(film, save_all=True, append_images=frames[1:])
    return {
        "empty": b"",
        "text": b"hello",
        "head only": whole[:40],
        "cut": whole[:-30],
        "flipped": whole[:60] + bytes([whole[60] ^ 0x55]) + whole[61:],
        "too little data": png_of_size(900, 600),
        "bomb": png_of_size(20_000, 20_000),
        "warned of": png_of_size(10_000, 10_000),
        "another format": b"GIF89a" + b"\0" * 40,
        "16 bits": sixteen.read_bytes(),
        "animation": film.read_bytes(),
    }


def test_damaged_pictures_are_named(tmp_path):
    fill(tmp_path, GREY)
    for name, data in damaged(tmp_path).items():
        folder = tmp_path / name
        folder.mkdir()
        fill(folder, GREY)
        (folder / "1.png").write_bytes(data)
        with pytest.raises(DataError, match=r"1\.png"):
            read_images(folder)


def test_no_flipped_bit_of_a_png_changes_a_pixel_unnoticed(tmp_path):
    path = tmp_path / "0.png"
    fill(tmp_path, GREY[:1])
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            assert np.array_equal(read_images(path).images[0, 0], GREY[0]), place
