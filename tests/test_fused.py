import copy
import warnings
import weakref

import pytest
import torch

from rheon.architectures import nice, realnvp
from rheon.bijections import ActNorm, Composition, Coupling
from rheon.conditioners import MLP
from rheon.elementwise import Affine
from rheon.fused import Fused
from rheon.partitions import Alternating, Halves
from tests.contracts import noise, perturbed

SIZES = [(8, 4, (16, 16)), (2, 3, (9,)), (3, 3, (5, 6, 7)), (5, 2, ())]


def stack(features, couplings, hidden):
    return perturbed(realnvp(features, couplings, hidden), scale=0.3).float().bijection.eval()


def plainly(f, x):
    """By the layers one by one, in float64."""
    return copy.deepcopy(f).double()(x.double())


def derivatives(f, x, create_graph=False):
    x = x.clone().requires_grad_()
    z, log_det = f(x)
    loss = (z.sin().sum(1) * log_det).sum() + z.square().sum()
    return torch.autograd.grad(loss, [x, *f.parameters()], create_graph=create_graph)


@pytest.fixture(params=SIZES, ids=str)
def case(request):
    features = request.param[0]
    return stack(*request.param), noise(7, features, dtype=torch.float32)


def test_is_the_layers_one_after_the_other(case):
    f, x = case
    assert f.fits(x, None)
    for got, expected in zip(f(x), plainly(f, x), strict=True):
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)


def test_derivatives_are_those_of_the_layers(case):
    f, x = case
    expected = derivatives(copy.deepcopy(f).double(), x.double())
    for got, exact in zip(derivatives(f, x), expected, strict=True):
        torch.testing.assert_close(got.double(), exact, rtol=1e-4, atol=1e-4 * float(exact.abs().max()))


def test_derivatives_can_be_derived(case):
    f, x = case
    exact = copy.deepcopy(f).double()

    def second(g, x):
        total = sum(first.square().sum() for first in derivatives(g, x, create_graph=True))
        return torch.autograd.grad(total, list(g.parameters()))

    for got, expected in zip(second(f, x), second(exact, x.double()), strict=True):
        torch.testing.assert_close(got.double(), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_some_weights_may_be_frozen(case):
    f, x = case
    *frozen, last = f.parameters()
    for parameter in frozen:
        parameter.requires_grad_(False)
    f(x)[1].sum().backward()
    assert last.grad is not None
    assert all(parameter.grad is None for parameter in frozen)


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(case, batch):
    f, x = case
    z, log_det = f(x[:batch])
    assert (z.shape, log_det.shape) == (x[:batch].shape, (batch,))
    (z.sum() + log_det.sum()).backward()


def test_sees_new_weights_new_tensors_and_new_layers():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    f(x)
    net = f.composition.bijections[1].conditioner

    def agrees():
        torch.testing.assert_close(f(x)[1].double(), plainly(f, x)[1], rtol=1e-5, atol=1e-5)

    with torch.no_grad():
        net.theta.mul_(1.5)
    agrees()
    net.theta.data = net.theta.data * 0.5
    agrees()
    net.theta = torch.nn.Parameter(net.theta.detach() + 0.1)
    agrees()
    f.composition.bijections[1].conditioner = perturbed(MLP(2, 4, (3,)), seed=5).float()
    agrees()
    f.composition.bijections[2] = perturbed(
        Coupling(Alternating(), Affine(), MLP(2, 4, (3,))), seed=6
    ).float()
    agrees()
    del f.composition.bijections[2]
    agrees()


def test_scoring_lets_go_of_the_memory_that_weights_have_left():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    net = f.composition.bijections[1].conditioner
    own, lent = net.theta.data, net.theta.detach().clone()
    gone = weakref.ref(lent)
    net.theta.data = lent
    f(x)[1].sum().backward()
    net.theta.data = own
    del lent
    with torch.no_grad():
        f(x)
    assert all(not step.views for step in f.steps)
    assert gone() is None


def test_two_passes_before_one_way_back():
    f, x, y = stack(4, 2, (6,)), *noise(2, 5, 4, dtype=torch.float32)
    weights = list(f.parameters())
    together = torch.autograd.grad(f(x)[1].sum() + f(y)[1].sum(), weights)
    apart = [torch.autograd.grad(f(each)[1].sum(), weights) for each in (x, y)]
    for got, first, second in zip(together, *apart, strict=True):
        torch.testing.assert_close(got, first + second)


def test_weights_changed_between_the_passes_are_an_error():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    loss = f(x)[1].sum()
    with torch.no_grad():
        next(f.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_norms_are_set_by_the_first_batch():
    f = realnvp(4, 2, (6,)).bijection
    x = noise(50, 4, dtype=torch.float32) * 3 + 5
    z, _ = f(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(4), rtol=0, atol=1e-5)
    assert f.fits(x, None)


def test_everything_else_goes_by_the_layers():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    assert f.fits(x, None)
    assert not f.fits(x.double(), None)
    assert not f.fits(x, noise(5, 1))
    assert not f.fits(x.expand(2, 5, 4), None)
    with torch.no_grad():
        assert not f.fits(x, None)
    with torch.autocast("cpu", torch.bfloat16):
        assert not f.fits(x, None)
    for other in (
        nice(4).bijection,
        realnvp(4, 2, (6,), context_features=1).bijection.composition,
        realnvp(40, 2, (6,)).bijection.composition,
        Composition([ActNorm(4)]),
        Composition([Coupling(Halves(), Affine(), torch.nn.Linear(2, 4))]),
    ):
        assert not Fused(other).fits(x)


def test_functional_transforms_go_by_the_layers():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: f(row[None])[0][0]))(x)
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], f(x)[1].detach(), rtol=1e-4, atol=1e-4)


def test_many_directions_at_once_and_forward_mode_go_by_the_layers():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    one_by_one = torch.autograd.functional.jacobian(lambda v: f(v)[0], x)
    at_once = torch.autograd.functional.jacobian(lambda v: f(v)[0], x, vectorize=True)
    torch.testing.assert_close(at_once, one_by_one, rtol=1e-4, atol=1e-5)
    # What torch imports for the first forward-mode derivative of a process warns of its own TorchScript.
    with warnings.catch_warnings(), torch.autograd.forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        tangent = torch.autograd.forward_ad.unpack_dual(f(dual)[0]).tangent
    torch.testing.assert_close(tangent, one_by_one.sum((2, 3)), rtol=1e-4, atol=1e-5)


def test_second_derivatives_by_weights_that_stand_in():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    weights = {name: p.detach().clone().requires_grad_() for name, p in f.named_parameters()}
    log_det = torch.func.functional_call(f, weights, (x,))[1]
    theta = [weight for name, weight in weights.items() if name.endswith("theta")]
    first = torch.autograd.grad(log_det.sum(), theta, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), theta)
    assert all(g.any() for g in second)


def test_a_new_bound_is_seen():
    f, x = stack(4, 2, (6,)), noise(5, 4, dtype=torch.float32)
    f(x)
    f.composition.bijections[1].elementwise.bound = 0.01
    torch.testing.assert_close(f(x)[1].double(), plainly(f, x)[1], rtol=1e-5, atol=1e-5)
