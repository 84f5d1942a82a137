from contextlib import nullcontext

import pytest
import torch

from rheon.architectures import realnvp
from rheon.bijections import linear
from rheon.errors import RheonError
from rheon.tables import TableDensity, continuous, mixed
from rheon.training import Checkpoints, Rows, Settings, train
from rheon.training import device as devices
from rheon.training.device import Moved, chosen_device, on_device
from tests.contracts import ARCHITECTURES, events, noise, perturbed

CPU, META = torch.device("cpu"), torch.device("meta")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture
def gpus(monkeypatch):
    """Says how many GPUs there are, and as which of how many processes torchrun started this one."""

    def there(count, rank=None, of=1):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda k: "Some GPU")
        monkeypatch.setattr(devices, "launched", lambda: rank is not None)
        monkeypatch.setenv("LOCAL_RANK", str(rank or 0))
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(of))

    return there


@pytest.mark.parametrize(
    ("asked", "count", "rank", "of", "expected"),
    [
        ("auto", 0, None, 1, "cpu"),
        ("auto", 2, None, 1, "cuda:0"),
        ("cpu", 2, None, 1, "cpu"),
        ("cuda", 2, None, 1, "cuda:0"),
        ("cuda:1", 2, None, 1, "cuda:1"),
        ("auto", 2, 1, 2, "cuda:1"),
        ("cuda", 2, 1, 2, "cuda:1"),
        ("auto", 1, 0, 2, "cpu"),
        ("auto", 1, 1, 2, "cpu"),
    ],
)
def test_the_device_that_is_chosen(gpus, asked, count, rank, of, expected):
    gpus(count, rank, of)
    assert chosen_device(asked, CPU) == torch.device(expected)


def test_a_flow_that_was_put_somewhere_stays_there(gpus):
    gpus(2)
    assert chosen_device("auto", torch.device("cuda:1")) == torch.device("cuda:1")
    assert chosen_device("cpu", torch.device("cuda:1")) == CPU


@pytest.mark.parametrize(("asked", "count"), [("cuda", 0), ("cuda:1", 0), ("cuda:1", 1), ("cuda:7", 2)])
def test_a_device_that_is_not_there_is_refused(gpus, asked, count):
    gpus(count)
    flow = realnvp(2, couplings=1)
    with pytest.raises(RheonError, match=r"cuda:\d is not there; this machine has cpu") as refusal:
        train(flow, Rows(torch.zeros(4, 2)), None, Settings(steps=1, device=asked))
    assert ("cuda:0 (Some GPU)" in str(refusal.value)) == (count > 0)


@pytest.mark.parametrize("asked", ["gpu", "cuda:", "cuda:x", "mps", 0, None])
def test_what_is_no_device_is_refused(asked):
    with pytest.raises(RheonError, match="device must be"):
        Settings(device=asked)


class Loose:
    """Rows that know nothing of devices."""

    columns = ("a", "b")

    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def batch(self, rows, generator):
        assert rows.device == generator.device == CPU
        x = self._rows[rows]
        return x + torch.randn(x.shape, generator=generator), None


@pytest.mark.parametrize(
    "source", [Rows(torch.ones(9, 2), torch.ones(9, 1), noise=0.1), Loose(torch.ones(9, 2))]
)
def test_batches_are_on_the_device_and_rows_and_noise_come_from_the_cpu(source):
    moved = on_device(source, META)
    assert isinstance(moved, Moved)
    assert (len(moved), moved.columns) == (9, source.columns)
    x, context = moved.batch(torch.tensor([1, 4]), torch.Generator().manual_seed(0))
    assert x.device == META
    assert context is None or context.device == META
    assert on_device(source, CPU) is source
    assert getattr(moved, "expect", None) is None


def test_rows_that_do_not_fit_stay_where_they_are(monkeypatch):
    held = on_device(Rows(torch.ones(100, 2)), META)
    assert held._source._x.device == META
    monkeypatch.setattr(devices, "_free", lambda device: 1000)
    held = on_device(Rows(torch.ones(100, 2)), META)
    assert held._source._x.device == CPU
    assert held.batch(torch.tensor([0]), torch.Generator())[0].device == META


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_all_of_a_flow_moves(name, monkeypatch):
    monkeypatch.setattr(linear, "_own_precision", lambda x: nullcontext())  # autocast knows no such device
    # A tensor that stayed behind would be refused: an operation takes tensors of one device.
    flow = perturbed(ARCHITECTURES[name]())
    x = events(flow, 3)
    z = flow.bijection(x)[0]
    flow.to(META)
    for f, argument in ((flow.bijection, x), (flow.bijection.inverse, z)):
        for part in f(argument.to(META)):
            assert part.device == META


@pytest.mark.parametrize("data", ["clinic", "wine"])
def test_all_of_the_members_of_a_table_move(data, monkeypatch):
    # Mixed columns, and real ones: the modules that are trained, and batches of their sources.
    taken = []

    def take(flow, source, *_):
        taken.extend((flow, source))
        raise InterruptedError

    monkeypatch.setattr(linear, "_own_precision", lambda x: nullcontext())
    for room in (mixed, continuous):
        monkeypatch.setattr(room, "train", take)
    with pytest.raises(InterruptedError):
        TableDensity().fit(data, steps=1)
    members, source = taken
    x, context = source.batch(torch.arange(8), torch.Generator())
    members(x, context)  # sets the norms
    own = context[:1].to(META)
    for member in next(members.children()).to(META):
        given = own[:, 1:] if own.shape[1] > 1 else None
        assert member(x[:1].to(META), given).device == META


def test_a_run_goes_on_on_another_device(tmp_path, gpus):
    rows, told = Rows(noise(50, 2, dtype=torch.float32)), []
    settings = {"steps": 4, "threads": 1}
    records = train(
        realnvp(2, couplings=2), rows, None, Settings(**settings), saving := Checkpoints(tmp_path / "c")
    )
    next(records)
    saving.save()
    records.close()
    again = Checkpoints(tmp_path / "c", tell=told.append)
    flow = realnvp(2, couplings=2)
    steps = [r.step for r in train(flow, rows, None, Settings(**settings, device="cpu"), again)]
    assert steps == [1, 2, 3, 4]
    assert "goes on after step 1" in told[0]


@GPU
@pytest.mark.parametrize("memory", ["store", "invert"])
def test_on_a_gpu_the_same_is_learned(memory):
    rows = noise(2000, 3, dtype=torch.float32) * torch.tensor([1.0, 2.0, 0.5])
    learn, judge = Rows(rows[:1500], noise=0.01), Rows(rows[1500:])
    found = {}
    for device in ("cpu", "cuda"):
        flow = realnvp(3, couplings=4)
        settings = Settings(steps=60, device=device, memory=memory, threads=1)
        *_, last = train(flow, learn, judge, settings)
        assert all(tensor.device == CPU for tensor in flow.state_dict().values())
        found[device] = last.validation
    assert found["cuda"] == pytest.approx(found["cpu"], abs=1e-3)
