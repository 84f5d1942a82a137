from copy import deepcopy

import pytest
import torch

from rheon.bijections import ActNorm, Composition, Inverse
from rheon.errors import RheonError
from tests.contracts import noise


def data(shape: tuple[int, ...] = (3,), rows: int = 200, seed: int = 0) -> torch.Tensor:
    """Rows whose channels have means and spreads of their own."""
    channels = torch.arange(1, shape[0] + 1, dtype=torch.float64).view(-1, *(1,) * (len(shape) - 1))
    return 10 * channels + channels.exp() * noise(rows, *shape, seed=seed)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 2)])
def test_the_first_training_batch_is_standardised(shape):
    norm = ActNorm(3).double().train()
    z, log_det = norm(data(shape))
    channels = z.movedim(1, 0).flatten(1)
    torch.testing.assert_close(channels.mean(1), torch.zeros(3, dtype=z.dtype), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        channels.var(1, correction=0), torch.ones(3, dtype=z.dtype), rtol=1e-12, atol=0
    )
    spread = data(shape).movedim(1, 0).flatten(1).std(1, correction=0)
    pixels = 1 if len(shape) == 1 else shape[1] * shape[2]
    assert log_det.tolist() == pytest.approx([-pixels * spread.log().sum().item()] * 200, rel=1e-12)


def test_it_happens_once():
    norm = ActNorm(3).double().train()
    norm(data())
    state = {name: value.clone() for name, value in norm.state_dict().items()}
    norm(1e3 * data(seed=1))
    for name, value in norm.state_dict().items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize(
    "use", ["forward in evaluation", "inverse", "inverse in evaluation", "of an Inverse"]
)
def test_it_never_happens_in_evaluation_or_by_an_inverse(use):
    norm = ActNorm(3).double().train(mode="evaluation" not in use)
    x = data()
    if use == "of an Inverse":
        Inverse(norm)(x)
    else:
        (norm if "forward" in use else norm.inverse)(x)
    assert not norm.initialised
    assert not norm.log_scale.any()
    assert not norm.bias.any()
    norm.train()(x)
    assert norm.initialised


def test_it_is_saved_and_not_done_again_after_loading():
    trained = ActNorm(3).double().train()
    trained(data())
    fresh = ActNorm(3).double().train()
    fresh.load_state_dict(trained.state_dict())
    other = 100 * data(seed=1)
    for got, expected in zip(fresh(other), trained(other), strict=True):
        assert torch.equal(got, expected)


def test_a_state_from_before_the_first_batch_loads_as_that():
    fresh, blank = ActNorm(3).double().train(), ActNorm(3).double()
    fresh(data())
    fresh.load_state_dict(blank.state_dict())
    z, _ = fresh(100 * data(seed=1))
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3, dtype=z.dtype), rtol=1e-12, atol=0)


def test_a_copy_knows_what_its_original_knew():
    norm = ActNorm(3).double().train()
    before = deepcopy(norm)
    norm(data())
    after, x = deepcopy(norm), 100 * data(seed=1)
    assert torch.equal(after(x)[0], norm(x)[0])
    assert not before.initialised
    assert not torch.equal(before(x)[0], norm(x)[0])


def test_inside_others_it_is_saved_all_the_same():
    first, second = (Composition([ActNorm(3), ActNorm(3)]).double().train() for _ in range(2))
    first(data())
    second.load_state_dict(first.state_dict())
    x = 100 * data(seed=1)
    assert torch.equal(second(x)[0], first(x)[0])


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_channel_that_does_not_vary_is_only_shifted(constant, dtype):
    norm = ActNorm(2).to(dtype).train()
    x = torch.stack((torch.full((1000,), constant), torch.linspace(-1, 1, 1000)), 1).to(dtype)
    z, _ = norm(x)
    assert norm.log_scale[0] == 0
    assert norm.log_scale[1] != 0
    assert (z[:, 0].abs() <= abs(constant) * 1e-6).all()


def test_one_row_only_shifts():
    z, log_det = ActNorm(3).train()(torch.tensor([[1.0, 2.0, 3.0]]))
    assert not z.any()
    assert not log_det.any()


@pytest.mark.parametrize("spread", [1e-10, 1e-3, 1e12, 1e20])
def test_any_units_are_standardised(spread):
    z, _ = ActNorm(1).double().train()(spread * noise(500, 1))
    assert z.std(correction=0).item() == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_first_batch_that_is_not_finite_is_refused_and_leaves_no_trace(bad):
    norm = ActNorm(2).double().train()
    x = noise(10, 2)
    x[3, 1] = bad
    with pytest.raises(RheonError, match="non-finite"):
        norm(x)
    assert not norm.initialised
    assert not norm.log_scale.any()
    z, _ = norm(noise(10, 2))
    assert z.isfinite().all()


def test_an_empty_batch_initialises_nothing():
    norm = ActNorm(2).train()
    z, log_det = norm(torch.zeros(0, 2))
    assert z.shape == (0, 2)
    assert log_det.shape == (0,)
    assert not norm.initialised


def test_no_gradient_flows_into_the_statistics():
    norm = ActNorm(3).double().train()
    x = data().requires_grad_()
    norm(x)[0].sum().backward()
    torch.testing.assert_close(x.grad, norm.log_scale.detach().exp().expand_as(x))
    assert norm.log_scale.grad is not None
