import contextlib
import io
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from rheon.errors import DataError
from rheon.images import Preparation, read_images
from rheon.images.crops import Crops
from rheon.images.members import Folder, Held
from rheon.images.pictures import gathered
from rheon.images.pixels import Scaled

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
    with pytest.raises(DataError, match=r"a.png: has transparent pixels"):
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
    with pytest.raises(DataError, match=r"2.png is 5×9 pixels, 3 of 4 are 6×9.*--size"):
        read_images(tmp_path)


def test_no_pictures(tmp_path):
    with pytest.raises(DataError, match=r"there are none; expected files that end in \.png"):
        read_images(tmp_path)


def png_of_size(width, height, depth=8, kind=0):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
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


def hostile(tmp_path):
    """Files that are no picture to learn from, with a word of the reason that is given for each."""
    fill(tmp_path, GREY)
    whole = (tmp_path / "0.png").read_bytes()
    Image.fromarray(COLOUR[0]).save(tmp_path / "c.jpg")
    jpeg = (tmp_path / "c.jpg").read_bytes()
    Image.fromarray(COLOUR[0]).save(tmp_path / "c.bmp")
    Image.fromarray(COLOUR[0]).save(tmp_path / "c.webp", lossless=True)
    Image.fromarray(GREY[0].astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    Image.fromarray(np.dstack([COLOUR[0], GREY[0]])).save(tmp_path / "alpha.png")
    frames = [Image.fromarray(image) for image in COLOUR]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "film.png", save_all=True, append_images=frames[1:])
    return {
        "empty": (b"", "no PNG"),
        "text": (b"hello", "no PNG"),
        "zeros": (b"\0" * 4096, "no PNG"),
        "signature only": (whole[:8], "cannot be read"),
        "head only": (whole[:40], "cannot be read"),
        "cut": (whole[:-30], "cannot be read"),
        "flipped": (whole[:60] + bytes([whole[60] ^ 0x55]) + whole[61:], "cannot be read"),
        "no width": (png_of_size(0, 6), "cannot be read"),
        "too little data": (png_of_size(9, 6, kind=2), "cannot be read"),
        "bomb": (png_of_size(20_000, 20_000), "exceeds limit|pixels, more than"),
        "warned of": (png_of_size(10_000, 10_000), "pixels, more than"),
        "largest sides": (png_of_size(2**31 - 1, 2**31 - 1), "exceeds limit|cannot be read"),
        "16 bits grey": ((tmp_path / "sixteen.png").read_bytes(), "16 bits a channel"),
        "16 bits colour": (png_of_size(9, 6, depth=16, kind=2), "16 bits a channel"),
        "transparent": ((tmp_path / "alpha.png").read_bytes(), "transparent pixels.*--background"),
        "film, WebP": ((tmp_path / "film.webp").read_bytes(), "an animation"),
        "film, PNG": ((tmp_path / "film.png").read_bytes(), "an animation"),
        "GIF": (b"GIF89a" + b"\0" * 40, "no PNG"),
        "TIFF": (b"II*\0\x08\0\0\0" + b"\0" * 40, "no PNG"),
        "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG"),
        "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no PNG"),
        "cut JPEG": (jpeg[: len(jpeg) // 2], "[Tt]runcated"),
        "JPEG without a scan": (jpeg[:30], "cannot be read|no PNG"),
        "cut BMP": ((tmp_path / "c.bmp").read_bytes()[:-20], "[Tt]runcated"),
        "cut WebP": ((tmp_path / "c.webp").read_bytes()[:-20], "cannot be read|no PNG"),
        "other size": (png_of_size(9, 5), "5×9 pixels, the others 6×9"),
    }


def test_what_cannot_be_used_is_named_and_left_out_or_refused(tmp_path):
    (tmp_path / "make").mkdir()
    for name, (data, reason) in hostile(tmp_path / "make").items():
        members = Held([f"{i}.png" for i in range(12)], [good_png(i) for i in range(11)] + [data])
        found = gathered(members, Preparation(), "the pictures")
        assert [skipped for skipped, _ in found.skipped] == ["11.png"], name
        assert re.search(reason, found.skipped[0][1]), (name, found.skipped)
        assert found.rows.tolist() == list(range(11)), name
        assert np.array_equal(found.images[:, 0], np.stack([GREY[i % 4] for i in range(11)]))
        with pytest.raises(DataError, match=r"11\.png: .*") as caught:
            gathered(members, Preparation(strict=True), "the pictures")
        assert "\n" not in str(caught.value)


def good_png(i):
    stream = io.BytesIO()
    Image.fromarray(GREY[i % 4]).save(stream, "PNG")
    return stream.getvalue()


def test_what_was_left_out_and_changed_is_said(tmp_path):
    fill(tmp_path, np.tile(GREY, (5, 1, 1)))
    (tmp_path / "3.png").write_bytes(b"hello")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "._1.png").write_bytes(b"\0\5\x16\7")
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(COLOUR[0]).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(COLOUR[0]).convert("CMYK").save(tmp_path / "print.jpg")
    found = read_images(tmp_path)
    assert found.skipped == (("3.png", "cannot be read as a picture (it is no PNG, JPEG, WebP or BMP)"),)
    for words in (
        "1 turned upright as their EXIF says",
        "1 converted from CMYK",
        "19 of grey shown in three equal channels",
        "1 left out",
    ):
        assert words in found.description
    assert len(found) == len(found.names) == 21
    with pytest.raises(DataError, match=r"3\.png: cannot be read"):
        read_images(tmp_path, prepare=Preparation(strict=True))


def test_nothing_left_is_an_error_that_says_why(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"no picture can be used; 2 of 2 left out: 0\.png: cannot"):
        read_images(tmp_path)


def test_no_picture_of_a_list_is_left_out_for_its_place_counts():
    good, bad = Image.fromarray(GREY[0]), Image.fromarray(GREY[0].astype(np.uint16))
    with pytest.raises(DataError, match="picture 1: mode I;16"):
        read_images([good, bad, good])


def test_background_is_laid_under(tmp_path):
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    found = read_images(tmp_path / "clear.png", prepare=Preparation(background="#102030"))
    assert found.images[0, :, 0, 0].tolist() == [0x10, 0x20, 0x30]
    assert "laid over #102030" in found.description


def test_crops_are_the_same_whether_decoded_at_once_or_as_they_are_wanted(tmp_path):
    for i, size in enumerate([(20, 30), (24, 18), (16, 16)]):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    members, prepare = Folder(tmp_path), Preparation(8, "random")
    held, lazy = (gathered(members, prepare, "pictures", memory) for memory in (None, 0))
    assert isinstance(lazy.images, Crops)
    assert not lazy.images.pictures.in_memory
    assert np.array_equal(held.images[:], lazy.images[:])
    assert np.array_equal(held.rows, lazy.rows)
    rows = np.array([0, 5, 3, 5])
    drawn = [of.images.draw(rows, torch.Generator().manual_seed(1)) for of in (held, lazy)]
    assert np.array_equal(*drawn)
    assert not np.array_equal(drawn[0][1], drawn[0][3]), "the same row at two places"
    assert "decoded as they are wanted" in lazy.changes[-1]


def test_images_are_the_same_whether_decoded_at_once_or_as_they_are_wanted(tmp_path):
    members = Folder(fill(tmp_path, COLOUR))
    for prepare in (Preparation(), Preparation(4), Preparation((3, 5), "none", colour=False)):
        held, lazy = (gathered(members, prepare, "pictures", memory) for memory in (None, 0))
        assert isinstance(lazy.images, Scaled)
        assert np.array_equal(held.images, lazy.images[:])
        assert np.array_equal(held.images[[2, 0]], lazy.images.take(np.array([2, 0]))[:])


def test_a_picture_that_is_damaged_later_is_named(tmp_path):
    lazy = gathered(Folder(fill(tmp_path, COLOUR)), Preparation(), "pictures", memory=0).images
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[:-20] + b"\0" * 20)
    with pytest.raises(DataError, match=r"2\.png: cannot be read"):
        lazy[:]
    Image.fromarray(GREY[0, 1:]).save(tmp_path / "2.png")
    with pytest.raises(DataError, match=r"2\.png"):
        lazy[2]
    assert np.array_equal(lazy[1], COLOUR[1].transpose(2, 0, 1))


def test_no_flipped_bit_of_a_png_changes_a_pixel_unnoticed(tmp_path):
    path = tmp_path / "0.png"
    fill(tmp_path, GREY[:1])
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            assert np.array_equal(read_images(path).images[0, 0], GREY[0]), place
