import copy

import pytest
import torch
from torch import nn

import rheon
from rheon.architectures import multiscale_realnvp, realnvp
from rheon.bijections import ActNorm, Composition, Coupling, FactorOut
from rheon.conditioners import MLP
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.memory import Checkpointed, Rebuilt
from rheon.partitions import Halves
from rheon.training import Rows, Settings, train
from rheon.training.economy import as_trained
from tests.contracts import noise, perturbed

X = noise(64, 1, 4, 4, seed=1, dtype=torch.float32) + 0.5


@pytest.fixture(autouse=True)
def _any_processor(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


def small():
    return multiscale_realnvp((1, 4, 4), levels=2, width=4, blocks=1)


def after_training(dtype=torch.float32, **changes):
    flow, rows = small().to(dtype), Rows(X.to(dtype))
    settings = {"steps": 8, "batch_size": 16, "threads": 1, "ema_decay": 0.0, "weight_decay": 0.0}
    losses = [r.loss for r in train(flow, rows, rows, Settings(**{**settings, **changes}))]
    return flow, torch.tensor(losses), torch.cat([p.detach().flatten() for p in flow.parameters()])


def test_as_usual_it_is_the_flow_itself(normal):
    assert as_trained(normal, Settings()) is normal


@pytest.mark.parametrize(("memory", "kind"), [("checkpoint", Checkpointed), ("invert", Rebuilt)])
def test_memory_names_what_is_kept(memory, kind):
    flow = small()
    trained = as_trained(flow, Settings(memory=memory))
    assert isinstance(trained.bijection, kind)
    assert trained.bijection.bijection is flow.bijection
    assert list(map(id, trained.parameters())) == list(map(id, flow.parameters()))


def test_training_takes_the_same_steps_whatever_is_kept():
    _, losses, weights = after_training(torch.float64)
    _, again, checkpointed = after_training(torch.float64, memory="checkpoint")
    assert torch.equal(again, losses)
    assert torch.equal(checkpointed, weights)
    # In float64, since Adam makes a whole step of a gradient that is nothing but rounding.
    _, again, rebuilt = after_training(torch.float64, memory="invert")
    torch.testing.assert_close(again, losses, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(rebuilt, weights, rtol=1e-5, atol=1e-5)


def test_a_model_of_digits_is_fitted_with_either():
    settings = Settings(steps=3, memory="invert", precision="bfloat16", threads=1)
    model = rheon.ImageDensity("realnvp").fit("digits", settings=settings)
    assert not [m for m in model.flow.modules() if isinstance(m, Rebuilt)]


def test_what_is_no_flow_is_refused_at_once(normal, rows):
    for changes in ({"memory": "invert"}, {"precision": "bfloat16"}):
        with pytest.raises(RheonError, match=r"need a rheon\.Flow to train, got a DiagonalNormal"):
            train(normal, Rows(rows), None, Settings(steps=3, **changes))


def test_only_float32_flows_have_conditioners_in_bfloat16():
    with pytest.raises(RheonError, match=r"in float32, this one is torch\.float64"):
        as_trained(small().double(), Settings(precision="bfloat16"))


def seen(flow, inside):
    """Dtypes of what goes in and comes out of the layers of the kinds ``inside``, in one pass."""
    dtypes = set()

    def note(_, inputs, outputs):
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        dtypes.update(tensor.dtype for tensor in (*inputs, *outputs) if isinstance(tensor, torch.Tensor))

    hooks = [m.register_forward_hook(note) for m in flow.modules() if isinstance(m, inside)]
    assert hooks
    yield dtypes
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("memory", ["store", "checkpoint", "invert"])
def test_conditioners_alone_are_in_bfloat16(memory):
    flow = perturbed(small(), scale=0.1).float()
    trained = as_trained(flow, Settings(precision="bfloat16", memory=memory))
    x = X[:8]
    layers, networks = seen(flow, (Coupling, ActNorm, FactorOut)), seen(flow, nn.Conv2d)
    of_layers, of_networks = next(layers), next(networks)
    log_p = trained(x)
    (-log_p.mean()).backward()
    assert next(layers, None) is next(networks, None) is None
    assert of_layers == {torch.float32}
    assert torch.bfloat16 in of_networks
    assert log_p.dtype == torch.float32
    assert (
        {p.dtype for p in flow.parameters()} == {p.grad.dtype for p in flow.parameters()} == {torch.float32}
    )
    z, log_det = trained.bijection(x)
    assert (z.dtype, log_det.dtype) == (torch.float32, torch.float32)
    back, _ = trained.bijection.inverse(z)
    assert back.dtype == torch.float32
    # The second pass sees other roundings of its inputs here and there, by steps of bfloat16: 2⁻⁸.
    torch.testing.assert_close(back, x, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("memory", ["store", "checkpoint", "invert"])
def test_bfloat16_gives_what_float32_gives_to_its_own_rounding(memory):
    f = perturbed(Coupling(Halves(), Affine(), MLP(2, 4, (16,))), scale=0.3).float()
    flow = Flow(Composition([f]), StandardNormal(4))
    x = noise(64, 4, dtype=torch.float32)
    log_p, expected = as_trained(flow, Settings(precision="bfloat16", memory=memory))(x), flow(x)
    # bfloat16 rounds by 2⁻⁹ at most: both factors of a product, and its value; row by row:
    (w1, b1), (w2, b2) = f.conditioner.layers(f.conditioner.theta.detach())
    x_a, x_b = x.chunk(2, 1)
    rounding = 3 * 2.0**-9
    h = (x_a @ w1.T + b1).relu()
    h_error = rounding * (x_a.abs() @ w1.abs().T + b1.abs())
    psi_error = h_error @ w2.abs().T + rounding * (h @ w2.abs().T + b2.abs())
    t_error, s_error = psi_error[:, :2], 2 * psi_error[:, 2:]  # s = 2 tanh r, no steeper than 2
    z = f(x)[0][:, 2:].detach()
    scale = (2 * (h @ w2.T + b2)[:, 2:].tanh()).exp()
    z_error = t_error + scale * x_b.abs() * s_error.expm1()
    bound = (z.abs() * z_error + z_error**2 / 2 + s_error).sum(1)
    error = (log_p - expected).detach().abs()
    assert (error <= bound).all()
    assert 0 < float(error.max()) < 0.1
    got, wanted = (torch.autograd.grad(-v.mean(), f.conditioner.theta)[0] for v in (log_p, expected))
    assert float((got - wanted).norm() / wanted.norm()) < 0.02


def test_what_bfloat16_has_trained_is_an_exact_density_in_float32():
    flow, losses, _ = after_training(precision="bfloat16")
    _, in_float32, _ = after_training()
    assert not torch.equal(losses, in_float32)
    torch.testing.assert_close(losses, in_float32, rtol=0.01, atol=0.1)
    exact = copy.deepcopy(flow).double()
    torch.testing.assert_close(flow(X).double(), exact(X.double()), rtol=1e-5, atol=1e-4)


def test_a_processor_without_bfloat16_is_told(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.warns(RuntimeWarning, match="slower here than float32"):
        as_trained(realnvp(2), Settings(precision="bfloat16"))
