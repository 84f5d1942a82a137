import pytest
import torch

from rheon.conditioners import MLP, ResidualMLP
from rheon.errors import RheonError
from tests.contracts import M, noise, perturbed

MAKERS = {
    "mlp": lambda features, out, context=0: MLP(features, out, (8, 8), context),
    "mlp without hidden layers": lambda features, out, context=0: MLP(features, out, (), context),
    "residual": lambda features, out, context=0: ResidualMLP(features, out, 8, 2, context),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


@pytest.mark.parametrize("context", [0, M])
@pytest.mark.parametrize("features", [0, 1, 4])
def test_starts_at_zero_whatever_the_input(make, features, context):
    net = make(features, 6, context)
    psi = net(noise(5, features, dtype=torch.float32), noise(5, context, dtype=torch.float32))
    assert psi.shape == (5, 6)
    assert not psi.any()


@pytest.mark.parametrize("context", [0, M])
@pytest.mark.parametrize("features", [1, 4])
def test_reads_every_input(make, features, context):
    net = perturbed(make(features, 6, context), scale=0.5)
    x = noise(40, features).requires_grad_()
    given = noise(40, context).requires_grad_()
    net(x, given).square().sum().backward()
    assert (x.grad.abs().sum(0) > 0).all()
    if context:
        assert (given.grad.abs().sum(0) > 0).all()


def test_without_features_it_is_a_function_of_the_context_or_a_constant(make):
    x = noise(5, 0)
    constant = perturbed(make(0, 6))(x)
    assert constant.any()
    torch.testing.assert_close(constant, constant[:1].expand(5, 6), rtol=1e-12, atol=1e-12)
    conditional = perturbed(make(0, 6, M))(x, noise(5, M))
    assert (conditional[0] != conditional[1]).all()


def test_without_context_features_a_context_is_not_looked_at(make):
    net, x = perturbed(make(3, 6)), noise(5, 3)
    assert torch.equal(net(x), net(x, noise(5, M)))


@pytest.mark.parametrize(
    "context", [None, noise(5, M + 1), noise(4, M), noise(1, M), noise(M), noise(5, M, 1)]
)
def test_a_context_of_another_shape_is_refused(make, context):
    net = make(3, 6, M).double()
    with pytest.raises(RheonError, match=r"context .*\(5, 2\)"):
        net(noise(5, 3), context)


def test_learns_from_the_first_step(make):
    # The head starts at zero: its gradient must not.
    net = make(3, 6)
    net(noise(5, 3, dtype=torch.float32)).sum().backward()
    head = [p for p in net.parameters() if p.grad is not None and p.grad.any()]
    assert head


def test_mlp_is_its_formula():
    net = perturbed(MLP(2, 3, (4,), 1))
    ((w1, b1), (w2, b2)), x, given = net.layers(net.theta), noise(5, 2), noise(5, 1)
    hidden = torch.einsum("oi,bi->bo", w1, torch.cat((x, given), 1)) + b1
    expected = torch.einsum("oi,bi->bo", w2, hidden * (hidden > 0)) + b2
    torch.testing.assert_close(net(x, given), expected, rtol=1e-13, atol=1e-13)


def test_input_stays_as_it_was(make):
    net, x = make(3, 6), noise(5, 3, dtype=torch.float32)
    before = x.clone()
    net(x)
    assert torch.equal(x, before)


def test_dropout_changes_training_alone_and_must_be_a_share():
    net = perturbed(ResidualMLP(3, 4, 16, 2, dropout=0.5), scale=0.5)
    plain = ResidualMLP(3, 4, 16, 2).double()
    plain.load_state_dict(net.state_dict())
    x = noise(10, 3)
    assert torch.equal(net(x), plain(x))
    assert not torch.allclose(net.train()(x), net(x))
    with pytest.raises(RheonError, match="dropout"):
        ResidualMLP(3, 4, dropout=1.0)


def test_a_wide_head_gives_what_a_narrow_one_gives():
    net = perturbed(ResidualMLP(3, 300, 8, 1))
    x = noise(10, 3)
    h = net.stem(x)
    h = h + net.outer[0](net.inner[0](h.relu()).relu())
    torch.testing.assert_close(net(x), net.head(h.relu()))
