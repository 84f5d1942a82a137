import pytest
import torch
from torch import nn

from rheon.architectures import realnvp
from rheon.errors import RheonError
from rheon.training import Blocks, Checkpoints, Rows, Settings, train

LENGTHS = [30, 40, 10, 25, 35, 20, 40]
STARTS = torch.tensor([0, *LENGTHS]).cumsum(0)
X = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
CONTEXT = torch.arange(200.0).view(200, 1)


class Reader:
    """Reads blocks of X, and counts."""

    def __init__(self, context=None):
        self.asked, self.context = [], context

    def __call__(self, blocks):
        assert list(blocks) == sorted(blocks)
        for block in blocks:
            self.asked.append(block)
            rows = slice(int(STARTS[block]), int(STARTS[block + 1]))
            yield X[rows], None if self.context is None else self.context[rows]


def noise():
    return torch.Generator()


def test_rows_are_those_asked_for():
    source = Blocks(LENGTHS, Reader(CONTEXT))
    assert len(source) == 200
    for seed in range(5):
        rows = torch.randperm(200, generator=torch.Generator().manual_seed(seed))[:50]
        x, context = source.batch(rows, noise())
        assert torch.equal(x, X[rows])
        assert torch.equal(context, CONTEXT[rows])


def test_an_epoch_reads_each_block_once_and_holds_two_windows():
    reader = Reader()
    source = Blocks(LENGTHS, reader, without=[0, 199], width=2)
    order = source.order(batch_size=11, seed=1)
    seen = []
    for step in range(18):  # 18 batches of 11 are all 198 rows
        rows = order.rows(step)
        seen += rows.tolist()
        assert torch.equal(source.batch(rows, noise())[0], X[rows])
        assert sum(slot is not None for slot in source._slots) <= 4
    assert sorted(seen) == list(range(1, 199))
    assert sorted(reader.asked) == [0, 1, 2, 3, 4, 5, 6]
    assert len(source._x) == 4 * 40, "memory for two windows of two blocks"


def test_a_batch_larger_than_two_windows_is_whole():
    source = Blocks(LENGTHS, Reader(), width=1)
    rows = source.order(batch_size=190, seed=0).rows(1)
    assert torch.equal(source.batch(rows, noise())[0], X[rows])


def test_a_run_that_goes_on_ends_with_the_same_bits(tmp_path):
    settings = Settings(steps=40, batch_size=32, threads=1)

    def run(checkpoints=None, stop=None):
        flow = realnvp(2, couplings=2, hidden=(8,), seed=0)
        source = Blocks(LENGTHS, Reader(), without=[3, 50], width=2)
        records = train(flow, source, Rows(X[:20]), settings, checkpoints)
        for record in records:
            if record.step == stop:
                checkpoints.save()
                records.close()
        return nn.utils.parameters_to_vector(flow.parameters())

    wanted = run()
    run(Checkpoints(tmp_path / "c", tell=print), stop=13)
    assert torch.equal(run(Checkpoints(tmp_path / "c", tell=print)), wanted)


@pytest.mark.parametrize(
    ("lengths", "says"), [([], "at least one"), ([30, 41, 10, 25, 35, 20, 40], "block 1 has 40 rows")]
)
def test_what_cannot_be_read_is_refused(lengths, says):
    with pytest.raises(RheonError, match=says):
        Blocks(lengths, Reader()).batch(torch.tensor([35]), noise())
