import resource
import time

import pytest
import torch
from torch import nn

from rheon.errors import ModelError, RheonError
from rheon.storage import check_tensors, load_module


def build(width=4, layers=2):
    stack = nn.Sequential(*(nn.Linear(3 if i == 0 else width, width) for i in range(layers)))
    stack.register_buffer("index", torch.arange(3), persistent=False)
    stack.register_buffer("seen", torch.tensor(False))
    return stack


def test_a_module_comes_back_to_the_bit_and_the_random_state_stays():
    torch.manual_seed(1)
    module = build()
    module.seen.fill_(True)
    before = torch.get_rng_state()
    loaded = load_module(build, module.state_dict())
    assert torch.equal(before, torch.get_rng_state())
    assert loaded.state_dict().keys() == module.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in module.state_dict().items())
    assert torch.equal(loaded.index, torch.arange(3))
    assert loaded[0].weight.requires_grad
    assert loaded[0].weight.data_ptr() != module[0].weight.data_ptr()


def test_what_is_missing_unknown_or_other_is_listed():
    tensors = build().state_dict()
    expected = {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()}
    check_tensors(expected, tensors)
    damaged = {
        **{name: t for name, t in tensors.items() if name != "1.bias"},
        "0.bias": torch.zeros(5),
        "seen": torch.tensor(0.0),
        "more": torch.zeros(1),
    }
    with pytest.raises(ModelError) as caught:
        check_tensors(expected, damaged)
    for part in (
        "'1.bias' is missing",
        "'more' is unknown",
        "'0.bias' is torch.float32 (5,), not torch.float32 (4,)",
        "'seen' is torch.float32 (), not torch.bool ()",
    ):
        assert part in str(caught.value)
    with pytest.raises(ModelError, match=r"'0.bias' is missing.* and 1 more faults"):
        check_tensors(expected, {})
    with pytest.raises(ModelError, match=r"'1.bias' is missing; 'more' is unknown; "):
        load_module(build, damaged)


@pytest.mark.parametrize(
    "hostile",
    [
        lambda: build(width=10**6),
        lambda: build(width=10**9),
        lambda: build(width=10**15),
        lambda: build(layers=10**9),
        lambda: nn.Sequential(*(nn.LayerNorm(1) for _ in iter(int, 1))),
    ],
    ids=["megabytes", "gigabytes", "petabytes", "many layers", "layers without end"],
)
def test_more_than_the_file_holds_is_given_up_at_once(hostile):
    tensors = build().state_dict()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ModelError, match=r"needs more weights than the file holds|cannot be built"):
        load_module(hostile, tensors)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


@pytest.mark.parametrize(
    "error", [TypeError("hidden"), RheonError("hidden"), ZeroDivisionError("hidden"), KeyError("hidden")]
)
def test_what_building_raises_is_a_model_error(error):
    def fail():
        raise error

    with pytest.raises(ModelError, match=r"cannot be built: .*hidden"):
        load_module(fail, {})


def test_building_elsewhere_is_not_counted_afterwards():
    load_module(build, build().state_dict())
    with pytest.raises(ModelError):
        load_module(lambda: build(layers=100), build().state_dict())
    assert len(build(layers=50)) == 50
