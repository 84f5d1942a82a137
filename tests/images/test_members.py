import gzip
import io
import re
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from rheon.errors import DataError
from rheon.images import Preparation, read_images
from rheon.images.members import Folder, Tar, Zip

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


FILES = {f"set/{i % 2}/{i}.png": png(image) for i, image in enumerate(IMAGES)}


def tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path, files, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def archives(folder):
    yield tar(folder / "a.tar", FILES)
    yield tar(folder / "a.tar.gz", FILES, "w:gz")
    yield tar(folder / "a.tar.xz", FILES, "w:xz")
    yield tar(folder / "tar without a suffix", FILES)
    yield zipped(folder / "a.zip", FILES, compression=zipfile.ZIP_DEFLATED)
    yield zipped(folder / "stored", FILES)
    for name, data in FILES.items():
        (folder / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "f" / name).write_bytes(data)
    yield folder / "f"


def test_archives_hold_the_same_as_the_folder(tmp_path):
    for path in archives(tmp_path):
        found = read_images(path)
        order = [int(name[-5]) for name in found.names]
        assert sorted(order) == list(range(6)), path
        assert np.array_equal(found.images, IMAGES[order].transpose(0, 3, 1, 2)), path
        assert found.classes == ("0", "1")
        assert found.labels.tolist() == [i % 2 for i in order]


def test_members_are_read_by_many_threads_at_once(tmp_path):
    for members in (Tar(tar(tmp_path / "a.tar", FILES)), Zip(zipped(tmp_path / "a.zip", FILES))):
        with ThreadPoolExecutor(8) as pool:
            wanted = list(range(6)) * 50
            for index, data in zip(wanted, pool.map(members.checked, wanted), strict=True):
                assert data == FILES[members.names[index]]


def test_nothing_is_unpacked_and_no_name_leads_out(tmp_path):
    names = ["../../out.png", "/etc/abs.png", "a/../../b.png", "c:\\d.png", "\x1b[31m.png", "-rf.png"]
    files = {name: png(IMAGES[i]) for i, name in enumerate(names)}
    (tmp_path / "in").mkdir()
    for path in (tar(tmp_path / "in" / "a.tar", files), zipped(tmp_path / "in" / "a.zip", files)):
        assert len(read_images(path)) == 6
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.tar", "a.zip", "in"]


def test_links_devices_and_hidden_files_are_no_members(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"{kind!r}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    with pytest.raises(DataError, match="there are none"):
        read_images(tmp_path / "a.tar")
    files = FILES | {
        "set/._1.png": b"x",
        "__MACOSX/set/0.png": b"x",
        "set/.DS_Store": b"x",
        "set/dir.png/": b"",
    }
    assert len(read_images(zipped(tmp_path / "a.zip", files))) == 6
    files.pop("set/dir.png/")
    assert read_images(tar(tmp_path / "b.tar", files)).skipped == ()
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "link.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "f" / "folder.png").mkdir()
    assert Folder(tmp_path / "f").names == ()


def damaged(folder):
    """Archives that are none, with a word of what is said of each."""
    whole = tar(folder / "whole.tar", FILES).read_bytes()
    second = whole.index(b"set/1/1.png")
    packed = gzip.compress(whole)
    as_zip = zipped(folder / "whole.zip", FILES).read_bytes()
    yield "cut.tar", whole[: second + 100], "damaged archive|not a readable"
    yield "header.tar", whole[:second] + b"\xff" * 512 + whole[second + 512 :], "no header at byte|damaged"
    yield "empty.tar", b"", "not a readable tar archive"
    yield "text.tar", b"hello" * 300, "not a readable tar archive"
    yield "cut.tar.gz", packed[: len(packed) // 2], "not a readable"
    yield "flipped.tar.gz", packed[:200] + bytes([packed[200] ^ 255]) + packed[201:], "not a readable"
    yield "notar.tar.gz", gzip.compress(b"hello" * 300), "not a readable tar archive"
    yield "cut.zip", as_zip[:-60], "not a readable zip archive"
    yield "text.zip", b"PK\3\4" + b"hello" * 100, "not a readable zip archive"
    yield "empty.zip", b"PK\5\6" + b"\0" * 18, "unknown kind"
    yield "tables.zip", zipped(folder / "t", {"a.csv": b"1,2"}).read_bytes(), "there are none"


def test_damaged_archives_are_refused_in_words(tmp_path):
    (tmp_path / "make").mkdir()
    for name, data, reason in damaged(tmp_path / "make"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError) as caught:
            read_images(tmp_path / name)
        assert re.search(reason, str(caught.value)), (name, caught.value)


def test_members_that_are_not_what_they_say_are_named(tmp_path):
    whole = zipped(tmp_path / "a.zip", FILES).read_bytes()
    place = whole.index(FILES["set/1/3.png"]) + 50
    (tmp_path / "bad.zip").write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    found = read_images(tmp_path / "bad.zip", prepare=Preparation(colour=True))
    assert [name for name, _ in found.skipped] == ["set/1/3.png"]
    assert "CRC" in found.skipped[0][1]
    assert len(found) == 5
    with pytest.raises(DataError, match=r"set/1/3\.png"):
        read_images(tmp_path / "bad.zip", prepare=Preparation(strict=True))


def test_a_member_larger_than_any_picture_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("rheon.images.members.MAX_ENCODED", 5000)
    bomb = FILES | {"set/0/bomb.png": b"\0" * 10_000_000}
    for path in (
        zipped(tmp_path / "a.zip", bomb, compression=zipfile.ZIP_DEFLATED),
        tar(tmp_path / "a.tar", bomb),
        tar(tmp_path / "a.tgz", bomb, "w:gz"),
    ):
        found = read_images(path)
        assert [name for name, _ in found.skipped] == ["set/0/bomb.png"]


def test_a_compressed_tar_larger_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rheon.images.members._MOST_HELD", 1000)
    with pytest.raises(DataError, match=r"unpack it to \.tar"):
        read_images(tar(tmp_path / "a.tar.gz", FILES, "w:gz"))


def test_cifar_in_its_archive_and_its_python_version(tmp_path):
    from tests.images.test_idx import records

    parts = {f"data_batch_{i}.bin": records(4) for i in (2, 1)} | {"test_batch.bin": records(3)}
    files = {f"cifar-10-batches-bin/{name}": data for name, (data, _, _) in parts.items()}
    path = tar(
        tmp_path / "cifar-10-binary.tar.gz", files | {"cifar-10-batches-bin/readme.html": b"x"}, "w:gz"
    )
    (tmp_path / "f").mkdir()
    for name, data in files.items():
        (tmp_path / "f" / name.rsplit("/")[-1]).write_bytes(data)
    for source in (path, tmp_path / "f"):
        found = read_images(source)
        expected = np.concatenate([parts[f"data_batch_{i}.bin"][1] for i in (1, 2)])
        assert np.array_equal(found.images, expected)
        assert np.array_equal(found.test.images, parts["test_batch.bin"][1])
        assert np.array_equal(found.test.labels, parts["test_batch.bin"][2][:, 0])
    pickled = {f"cifar-10-batches-py/data_batch_{i}": b"\x80\4" for i in range(1, 6)}
    with pytest.raises(DataError, match=r"pickled objects.*cifar-10-binary\.tar\.gz"):
        read_images(tar(tmp_path / "cifar-10-python.tar.gz", pickled, "w:gz"))


def test_no_damage_is_anything_but_an_error_in_words_or_a_stated_skip(tmp_path):
    rng, told = np.random.default_rng(5), []
    whole = {
        "a.tar": tar(tmp_path / "tar", FILES).read_bytes(),
        "a.tgz": tar(tmp_path / "tgz", FILES, "w:gz").read_bytes(),
        "a.zip": zipped(tmp_path / "zip", FILES).read_bytes(),
    }
    for round_ in range(150):
        name = list(whole)[round_ % 3]
        data = bytearray(whole[name])
        if round_ % 4 == 0:
            del data[rng.integers(len(data)) :]
        for place in rng.integers(0, max(len(data), 1), 3) if data else ():
            data[place] = rng.integers(256)
        (tmp_path / name).write_bytes(data)
        try:
            found = read_images(tmp_path / name)
        except DataError as error:
            told.append(str(error))
        else:
            for image, member in zip(found.images, found.names, strict=True):
                if member in FILES:
                    assert np.array_equal(image, IMAGES[int(member[-5])].transpose(2, 0, 1)), (round_, member)
    assert 30 < len(told) < 120
    assert not any("\n" in words for words in told)
