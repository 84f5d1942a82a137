import contextlib
import io
import struct
import time
import zipfile

import numpy as np
import pytest
import torch
from numpy.lib import format as npy

from rheon import arrays
from rheon.arrays import as_numpy, check_room, read_npy, read_npz
from rheon.errors import DataError


def npy_bytes(header, data=b"", version=1):
    text = header if isinstance(header, bytes) else repr(header).encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def described(shape, descr="<f8"):
    return {"descr": descr, "fortran_order": False, "shape": shape}


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i2", "<f4", "<f8", "?", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_wrote_comes_back(tmp_path, dtype, order):
    array = np.asarray(np.random.default_rng(0).integers(0, 2, (5, 3, 4)), dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", images=array, labels=np.arange(5))
    for back in (read_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz", ["images"])):
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)
        assert back.flags.writeable


def test_npz_takes_a_name_in_the_order_asked_for_or_the_only_array(tmp_path):
    np.savez(tmp_path / "two.npz", X=np.ones(2), x=np.zeros(3))
    np.savez(tmp_path / "one.npz", whatever=np.ones(4))
    np.savez(tmp_path / "odd.npz", a=np.ones(2), b=np.zeros(3))
    assert len(read_npz(tmp_path / "two.npz", ["x", "X"])) == 3
    assert len(read_npz(tmp_path / "one.npz", ["x"])) == 4
    with pytest.raises(
        DataError, match=r"odd.npz holds the arrays 'a', 'b'; expected one, or one that is named 'x'"
    ):
        read_npz(tmp_path / "odd.npz", ["x"])


PICKLED = io.BytesIO()
np.save(PICKLED, np.array([{"a": 1}], dtype=object), allow_pickle=True)

BAD_NPY = {
    "empty": b"",
    "text": b"hello",
    "magic only": b"\x93NUMPY",
    "objects": PICKLED.getvalue(),
    "strings": npy_bytes(described((1,), "<U4"), b"0" * 16),
    "records": npy_bytes({"descr": [("a", "<f8")], "fortran_order": False, "shape": (1,)}, b"0" * 8),
    "complex": npy_bytes(described((1,), "<c16"), b"0" * 16),
    "times": npy_bytes(described((1,), "<M8[s]"), b"0" * 8),
    "short data": npy_bytes(described((3,)), b"0" * 16),
    "long data": npy_bytes(described((1,)), b"0" * 16),
    "huge": npy_bytes(described((2**60,)), b"0" * 16),
    "product that wraps": npy_bytes(described((2**32, 2**32)), b""),
    "negative": npy_bytes(described((-1, -2)), b"0" * 16),
    "header is code": npy_bytes(b"__import__('os').abort()"),
    "header is deep": npy_bytes(b"[" * 5000),
    "header is long": npy_bytes(b" " * 20_000),
    "header says longer": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "unknown version": npy_bytes(described((1,)), b"0" * 8, version=1).replace(b"NUMPY\x01", b"NUMPY\x09"),
}


@pytest.mark.parametrize("data", BAD_NPY.values(), ids=BAD_NPY.keys())
def test_damaged_and_hostile_npy(tmp_path, data):
    (tmp_path / "bad.npy").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("x.npy", data)
    for read in (lambda: read_npy(tmp_path / "bad.npy"), lambda: read_npz(tmp_path / "bad.npz", ["x"])):
        start = time.perf_counter()
        with pytest.raises(DataError, match=r"bad\.np"):
            read()
        assert time.perf_counter() - start < 0.5


def test_every_truncation_and_many_bit_flips_of_an_archive_are_noticed(tmp_path):
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.arange(200.0))
    whole, path = stream.getvalue(), tmp_path / "bad.npz"
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_npz(path, ["x"])
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            assert np.array_equal(read_npz(path, ["x"]), np.arange(200.0))  # a byte that nobody reads


def test_a_zip_bomb_is_refused_by_its_sizes(tmp_path, monkeypatch):
    header = io.BytesIO()
    npy.write_array_header_1_0(header, described((1 << 26,), "|u1"))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(1 << 26))
    monkeypatch.setattr("rheon.arrays.MAX_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"bomb.npz .* needs 0.1 GiB of memory"):
        read_npz(tmp_path / "bomb.npz", ["x"])


def test_check_room():
    check_room(1 << 20, "small")
    with pytest.raises(DataError, match=r"big needs 1,024.0 GiB"):
        check_room(1 << 40, "big")


def test_as_numpy():
    array = np.arange(3)
    assert as_numpy(array) is array
    tensor = torch.arange(3.0, requires_grad=True)
    assert np.array_equal(as_numpy(tensor), [0, 1, 2])
    assert as_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert as_numpy([[1, 2], [3, 4]]).shape == (2, 2)
    for bad in ([[1, 2], [3]], ["a"], [None], {"a": 1}, object(), np.array([1j]), None):
        with pytest.raises(DataError, match="expected an array of numbers"):
            as_numpy(bad)
    with pytest.raises(DataError, match="masked"):
        as_numpy(np.ma.masked_array([1, 2], [True, False]))


def test_memory_is_limited_by_the_process_and_its_group(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    monkeypatch.setattr(arrays, "_GROUP_LIMITS", (str(tmp_path / "none"), str(tmp_path / "memory.max")))
    free = arrays.memory_limit()
    assert 1 << 28 < free < 1 << 50, "that of this machine"
    (tmp_path / "memory.max").write_text("max\n")
    assert arrays.memory_limit() == free
    (tmp_path / "memory.max").write_text("200000000\n")
    assert arrays.memory_limit() == 200_000_000
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100_000_000, 100_000_000))
    assert arrays.memory_limit() == 100_000_000
    assert arrays.memory_allowed() == 50_000_000
