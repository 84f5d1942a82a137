"""A corpus of damaged and hostile model directories: each is refused with one clear error, and quickly."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time

import pytest
import torch

from rheon.errors import ModelError
from rheon.storage import CONFIG, WEIGHTS, is_unfinished, read_config, read_model, write_model


@pytest.fixture
def model(tmp_path, config):
    generator = torch.Generator().manual_seed(0)
    tensors = {f"layer.{i}": torch.randn(4, 3, generator=generator) for i in range(3)}
    path = tmp_path / "digits.rheon"
    write_model(path, config, tensors, {"README.md": "# card"})
    return path


def refused(path, match=None, limit=0.5):
    start = time.perf_counter()
    with pytest.raises(ModelError, match=match) as caught:
        read_model(path)
    assert time.perf_counter() - start < limit
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert len(message) < 1000


def edit(change):
    """A damage to the parsed config."""

    def damage(path):
        config = json.loads((path / CONFIG).read_text())
        config = change(config) or config
        (path / CONFIG).write_text(json.dumps(config))

    return damage


def text(content):
    """A config that is this text."""
    return lambda path: (path / CONFIG).write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )


def inside(content):
    """A config that has this text as one more section."""
    return lambda path: (path / CONFIG).write_text(
        (path / CONFIG).read_text().rstrip()[:-1] + f', "more": {content}}}'
    )


ARCHITECTURE = '"architecture": {"name": "a", "arguments": {}}'
VALID = f'{{"format_version": 1, "rheon_version": "1", "kind": "image", {ARCHITECTURE}'

CONFIGS = {
    "empty": (text(""), "is not JSON"),
    "cut": (text(VALID), "is not JSON"),
    "list": (text("[1, 2]"), "not the config of a rheon model"),
    "number": (text("1"), "not the config"),
    "binary": (text(bytes(range(256))), "is not JSON"),
    "utf-16": (text(VALID.encode("utf-16")), "is not JSON"),
    "trailing": (text(VALID + "} {}"), "is not JSON"),
    "someone else's": (text('{"model_type": "bert"}'), "no format_version"),
    "no version": (edit(lambda c: c.pop("format_version") and None), "no format_version"),
    "true version": (edit(lambda c: c.update(format_version=True)), "no format_version"),
    "text version": (edit(lambda c: c.update(format_version="1")), "no format_version"),
    "later version": (
        edit(lambda c: c.update(format_version=2, kind="video")),
        "later rheon .*upgrade rheon",
    ),
    "version 0": (edit(lambda c: c.update(format_version=0)), "format version 0, which never was"),
    "kind": (edit(lambda c: c.update(kind="video")), "kind 'video'; expected 'image' or 'table'"),
    "kind a list": (edit(lambda c: c.update(kind=["image"])), "kind"),
    "rheon_version": (edit(lambda c: c.update(rheon_version=1)), "rheon_version"),
    "no architecture": (edit(lambda c: c.pop("architecture") and None), "architecture"),
    "code": (edit(lambda c: c["architecture"].update(module="os", name="system")), "and nothing else"),
    "path": (edit(lambda c: c["architecture"].update(name="../nice")), r"the name '\.\./nice'"),
    "dotted": (edit(lambda c: c["architecture"].update(name="os.system")), r"the name 'os\.system'"),
    "arguments a list": (edit(lambda c: c["architecture"].update(arguments=[1])), "architecture"),
    "dunder": (edit(lambda c: c["architecture"]["arguments"].update(__class__=1)), "the name '__class__'"),
    "size": (
        edit(lambda c: c["architecture"]["arguments"].update(features=1 << 40)),
        "the size 1099511627776",
    ),
    "sizes": (edit(lambda c: c["architecture"]["arguments"].update(hidden=[8, [1 << 40]])), "the size 109"),
    "escape": (edit(lambda c: c.update({"\x1b[31m": 1})), r"the name '\\x1b\[31m'"),
    "twice": (inside('1, "kind": "image"'), "a name occurs twice"),
    "twice below": (inside('{"a": 1, "a": 1}'), "a name occurs twice"),
    "NaN": (inside("NaN"), "it holds NaN"),
    "Infinity": (inside("-Infinity"), "it holds -Infinity"),
    "1e999": (inside("1e999"), "out of range"),
    "long number": (inside("9" * 100_000), "out of range"),
    "large number": (inside(str(2**63)), "out of range"),
    "deep list": (inside("[" * 100_000), "nested more than 32 deep"),
    "deep object": (inside('{"a":' * 5_000 + "1" + "}" * 5_000), "nested more than 32 deep"),
    "long": (inside('"' + "a" * (1 << 20) + '"'), "at most 1,048,576 are allowed"),
}


@pytest.mark.parametrize(("damage", "message"), CONFIGS.values(), ids=CONFIGS.keys())
def test_configs(model, damage, message):
    damage(model)
    refused(model, message)
    with pytest.raises(ModelError, match=message):
        read_config(model)


def test_brackets_in_texts_are_not_depth(model):
    inside(json.dumps(r"\"" + "[{" * 100))(model)
    assert read_config(model)["more"] == r"\"" + "[{" * 100


def header(entries, data=b"", length=None):
    """Weights with this header."""
    encoded = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def entry(shape=(2,), offsets=(0, 8), dtype="F32", **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


ITEM = struct.pack("<ff", 1.0, 2.0)
NAN, INFINITY = struct.pack("<ff", 1.0, float("nan")), struct.pack("<ff", 1.0, float("inf"))

WEIGHT_FILES = {
    "empty": (b"", "damaged"),
    "four bytes": (b"\x01\0\0\0", "damaged"),
    "length only": (struct.pack("<Q", 0), "is not JSON"),
    "header length huge": (header({"a": entry()}, ITEM, length=2**63), "its header would have"),
    "header length 2 MB": (header(b"{" + b" " * (2 << 20) + b"}"), "its header would have"),
    "header length past the end": (header({"a": entry()}, ITEM, length=500), "its header would have"),
    "header a list": (header([1]), "not a table of tensors"),
    "header cut": (header(b'{"a": {'), "is not JSON"),
    "header deep": (header(b"[" * 50_000), "nested more than 32"),
    "name twice": (header(b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), ITEM), "occurs twice"),
    "too little data": (header({"a": entry()}, ITEM[:5]), "take 8 bytes and 5 are there"),
    "data behind": (header({"a": entry()}, ITEM + b"PK\x03\x04"), "take 8 bytes and 12 are there"),
    "no tensor, data": (header({}, ITEM), "take 0 bytes and 8 are there"),
    "overlap": (header({"a": entry(), "b": entry()}, ITEM), "overlap or leave gaps"),
    "gap": (header({"a": entry(), "b": entry(offsets=(16, 24))}, ITEM * 3), "overlap or leave gaps"),
    "late start": (header({"a": entry(offsets=(8, 16))}, ITEM * 2), "overlap or leave gaps"),
    "shape and size differ": (header({"a": entry(shape=(3,))}, ITEM), "tensor 'a' is"),
    "shape huge": (header({"a": entry(shape=(2**40, 2**40))}, ITEM), "tensor 'a' is"),
    "shape negative": (header({"a": entry(shape=(-1, -2))}, ITEM), "tensor 'a' is"),
    "shape of floats": (header({"a": entry(shape=(2.0,))}, ITEM), "tensor 'a' is"),
    "shape of truths": (header({"a": entry(shape=(2, True))}, ITEM), "tensor 'a' is"),
    "many axes": (header({"a": entry(shape=(1,) * 200 + (2,))}, ITEM), "tensor 'a' is"),
    "offsets backwards": (header({"a": entry(offsets=(8, 0))}, ITEM), "tensor 'a' is"),
    "offsets text": (header({"a": entry(offsets=("0", "8"))}, ITEM), "tensor 'a' is"),
    "unknown dtype": (header({"a": entry(dtype="F8_E4M3", shape=(8,))}, ITEM), "tensor 'a' is"),
    "complex": (header({"a": entry(dtype="C64", shape=(1,))}, ITEM), "tensor 'a' is"),
    "dtype a list": (header({"a": entry(dtype=["F32"])}, ITEM), "tensor 'a' is"),
    "entry a number": (header({"a": 1}, ITEM), "tensor 'a' is 1"),
    "name with a path": (header({"../a": entry()}, ITEM), r"tensor '\.\./a' is"),
    "name with an escape": (header({"\x1b[2J": entry()}, ITEM), r"tensor '\\x1b\[2J' is"),
    "name empty": (header({"": entry()}, ITEM), "tensor '' is"),
    "metadata a number": (header({"__metadata__": 1, "a": entry()}, ITEM), "damaged"),
    "NaN": (header({"a": entry()}, NAN), "the tensor 'a' holds NaN or infinite values"),
    "infinite": (header({"a": entry()}, INFINITY), "the tensor 'a' holds NaN or infinite values"),
    "NaN in bfloat16": (header({"a": entry((1,), (0, 2), "BF16")}, b"\xff\x7f"), "'a' holds NaN"),
    "truth of 2": (header({"a": entry((1,), (0, 1), "BOOL")}, b"\x02"), "other than true and false"),
    "pickle": (b"\x80\x04\x95" + b"cos\nsystem\n(S'true'\ntR." * 4, "its header would have"),
    "zip": (b"PK\x03\x04" + bytes(60), "damaged"),
}


@pytest.mark.parametrize(("data", "message"), WEIGHT_FILES.values(), ids=WEIGHT_FILES.keys())
def test_weights(model, data, message):
    (model / WEIGHTS).write_bytes(data)
    refused(model, message)


def test_truncated_weights(model):
    whole = (model / WEIGHTS).read_bytes()
    for length in [*range(12), *range(12, len(whole), 5), len(whole) - 1]:
        (model / WEIGHTS).write_bytes(whole[:length])
        with pytest.raises(ModelError, match=WEIGHTS):
            read_model(model)


def test_a_flipped_bit_of_the_header_is_refused_or_leaves_every_number_in_place(model):
    whole = (model / WEIGHTS).read_bytes()
    length = 8 + int.from_bytes(whole[:8], "little")
    for place in range(length):
        flipped = whole[place] ^ (1, 4, 64)[place % 3]
        (model / WEIGHTS).write_bytes(whole[:place] + bytes([flipped]) + whole[place + 1 :])
        try:
            _, tensors = read_model(model)  # it was in a name or a shape, as check_tensors will find
        except ModelError:
            continue
        assert sum(t.nbytes for t in tensors.values()) == len(whole) - length


def as_link(path, name):
    (path / name).rename(path.parent / name)
    (path / name).symlink_to(path.parent / name)


def as_folder(path, name):
    (path / name).unlink()
    (path / name).mkdir()


def as_pipe(path, name):
    (path / name).unlink()
    os.mkfifo(path / name)


def as_device(path, name):
    (path / name).unlink()
    try:
        os.mknod(path / name, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("may not make devices")


def as_hole(path, name):
    with (path / name).open("wb") as stream:
        stream.truncate(1 << 42)


KINDS_OF_FILE = {
    "missing": (lambda path, name: (path / name).unlink(), "cannot be opened: No such file"),
    "link": (as_link, "is a link"),
    "folder": (as_folder, "is not a regular file"),
    "pipe": (as_pipe, "is not a regular file"),
    "device": (as_device, "is not a regular file|cannot be opened"),
    "hole": (as_hole, "are allowed here"),
}


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
@pytest.mark.parametrize(("damage", "message"), KINDS_OF_FILE.values(), ids=KINDS_OF_FILE.keys())
def test_what_is_not_a_file(model, name, damage, message):
    damage(model, name)
    refused(model, rf"{name} .*({message})")


def test_places_that_are_no_model(tmp_path, model):
    refused(
        tmp_path / "nothing", "cannot be opened: No such file .*give the path of a directory that rheon wrote"
    )
    refused(model / "README.md", "is a file")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "No such file .*not a whole model directory")
    shutil.rmtree(model)
    model.symlink_to(tmp_path / "gone")
    refused(model, "No such file")


def test_a_link_to_a_model_is_a_way_to_it(tmp_path, model):
    (tmp_path / "latest").symlink_to(model)
    assert read_config(tmp_path / "latest") == read_config(model)


def test_a_failed_reading_leaves_no_file_open(model):
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    as_pipe(model, WEIGHTS)
    for _ in range(20):
        with pytest.raises(ModelError):
            read_model(model)
    assert before == (os.listdir("/proc/self/fd") if before else [])


def test_the_config_is_read_without_torch(model):
    code = f"import sys; from rheon.storage import read_config; read_config({str(model)!r}); "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unfinished_directory_is_refused_as_one(tmp_path):
    path = tmp_path / "m"
    (path / "checkpoint" / "step-12").mkdir(parents=True)
    (path / "checkpoint" / "training.jsonl").touch()
    assert is_unfinished(path)
    for read in (read_config, read_model):
        with pytest.raises(ModelError, match="is unfinished: its training was interrupted; the same"):
            read(path)
    for name in ("config.json", "checkpoint/other"):
        (path / name).touch()
        assert not is_unfinished(path)
        (path / name).unlink()
    assert is_unfinished(path)
    assert not is_unfinished(tmp_path)
