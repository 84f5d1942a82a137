import math

import pytest
import torch
from torch import nn

from rheon.bijections import ActNorm, Composition, Coupling
from rheon.elementwise import Affine, Elementwise, MixtureOfLogistics, RationalQuadraticSpline, Shift
from rheon.errors import RheonError
from rheon.partitions import Halves, Partition
from tests.contracts import PARTITIONS, image_coupling, jacobian, kind, noise, perturbed, vector_coupling

BOTH_PARTS = [name for name in PARTITIONS if not name.endswith(" 1") or "checkerboard" in name]


def coupling(partition: Partition, map_: Elementwise, shape: tuple[int, ...], seed: int = 1) -> Coupling:
    """A coupling away from the identity: its head's biases too, so that no ψ is zero by a silent relu."""
    if len(shape) == 1:
        return perturbed(vector_coupling(partition, map_, shape[0]), seed=seed)
    return perturbed(image_coupling(partition, map_, shape), seed=seed)


@pytest.mark.parametrize(
    "map_", [Shift(), Affine(), RationalQuadraticSpline(), MixtureOfLogistics(2)], ids=kind
)
@pytest.mark.parametrize("name", PARTITIONS)
def test_jacobian_has_the_block_form_of_the_theory(name, map_):
    # [[I, 0], [∂f̂/∂x_A, ∂f̂/∂x_B]] in the order (x_A, x_B), the last block diagonal.
    make, shape = PARTITIONS[name]
    partition = make()
    size_a, size_b = (part.numel() for part in partition.shapes(shape))
    f, x = coupling(partition, map_, shape), noise(1, *shape)
    full = jacobian(lambda v: f(v)[0], x[0])
    numbered = torch.arange(size_a + size_b).view(1, *shape)
    order = torch.cat([part.flatten() for part in partition.split(numbered)])
    blocks = full[order][:, order]
    assert torch.equal(blocks[:size_a, :size_a], torch.eye(size_a, dtype=x.dtype))
    assert not blocks[:size_a, size_a:].any()
    changed = blocks[size_a:, size_a:]
    assert torch.equal(changed, changed.diagonal().diag())
    if size_a and size_b:
        assert blocks[size_a:, :size_a].any()
    _, log_det = f(x)
    determinant = torch.linalg.det(full)
    if isinstance(map_, Shift):
        assert log_det.item() == 0.0
        assert torch.equal(changed, torch.eye(size_b, dtype=x.dtype))
        assert determinant.item() == pytest.approx(1.0, rel=1e-12)
    elif isinstance(map_, Affine):
        x_a, x_b = partition.split(x)
        s = map_(x_b, f.conditioner(x_a).view(1, 2, *x_b.shape[1:]))[1]
        torch.testing.assert_close(changed.diagonal(), s.flatten().exp(), rtol=1e-12, atol=0)
        assert determinant.item() == pytest.approx(math.exp(s.sum().item()), rel=1e-12)
        assert log_det.item() == pytest.approx(s.sum().item(), rel=1e-12, abs=1e-15)
    else:
        assert determinant.log().item() == pytest.approx(log_det.item(), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", PARTITIONS)
def test_always_split_alike_one_part_never_changes(name):
    make, shape = PARTITIONS[name]
    partition = make()
    f = Composition([coupling(partition, Affine(), shape, seed) for seed in range(5)])
    x = noise(3, *shape)
    (x_a, x_b), (z_a, z_b) = partition.split(x), partition.split(f(x)[0])
    assert torch.equal(z_a, x_a)
    assert (z_b != x_b).all()


@pytest.mark.parametrize("name", BOTH_PARTS)
def test_with_the_parts_swapped_everything_changes_and_depends_on_both_parts(name):
    make, shape = PARTITIONS[name]
    partition = make()
    f = Composition(
        [coupling(p, Affine(), shape, seed) for seed, p in enumerate((partition, partition.swapped()))]
    )
    x = noise(5, *shape)
    assert (f(x)[0] != x).all()
    # Of several rows together: a relu may be silent at one of them.
    depends = sum(jacobian(lambda v: f(v)[0], row).abs() for row in x) > 0
    part_a, part_b = (part.flatten() for part in partition.split(torch.arange(x[0].numel()).view(1, *shape)))
    for output in (part_a, part_b):
        for source in (part_a, part_b):
            assert depends[output][:, source].any()


@pytest.mark.parametrize("name", PARTITIONS)
def test_starts_at_the_identity(name):
    make, shape = PARTITIONS[name]
    x = noise(3, *shape, dtype=torch.float32)
    for map_ in (Shift(), Affine(), RationalQuadraticSpline(), MixtureOfLogistics(2)):
        f = (vector_coupling if len(shape) == 1 else image_coupling)(make(), map_, _event(shape))
        z, log_det = f(x)
        torch.testing.assert_close(z, x, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(log_det, torch.zeros(3), rtol=0, atol=1e-5)


def _event(shape: tuple[int, ...]) -> int | tuple[int, ...]:
    return shape[0] if len(shape) == 1 else shape


class Constant(nn.Module):
    """A conditioner that gives ψ of the wrong kind, or in another precision."""

    def __init__(self, psi: torch.Tensor) -> None:
        super().__init__()
        self.psi = psi

    def forward(self, x_a, context=None):
        return self.psi


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (3, 4, 1), (3, 2, 2)])
def test_a_conditioner_of_another_size_is_refused(shape):
    f = Coupling(Halves(), Affine(), Constant(torch.zeros(shape)))
    for direction in (f, f.inverse):
        with pytest.raises(RheonError, match=r"2 parameters .*\(3, 4\)"):
            direction(torch.zeros(3, 4))


def test_any_module_will_do_as_conditioner_and_its_precision_is_its_own():
    # ψ = (t, raw): t = 1 for both scalars, log-scale 0. The flow stays in float32.
    psi = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=torch.bfloat16)
    z, log_det = Coupling(Halves(), Affine(), Constant(psi))(torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    assert z.dtype == log_det.dtype == torch.float32
    torch.testing.assert_close(z, torch.tensor([[0.1, 0.2, 1.3, 1.4]]))
    assert not log_det.any()


def test_a_scale_outside_the_couplings_has_no_bound():
    # One coupling stretches by e^bound at most; an ActNorm beside it expresses any scale.
    bound = 0.5
    net = Constant(torch.full((1, 2), 1e3, dtype=torch.float64))
    f = Coupling(Halves(), Affine(bound), net)
    _, log_det = f(torch.zeros(1, 2, dtype=torch.float64))
    assert log_det.item() == bound
    norm = ActNorm(2).double().eval()
    with torch.no_grad():
        norm.log_scale.fill_(20.0)
    _, log_det = Composition([norm, f])(torch.zeros(1, 2, dtype=torch.float64))
    assert log_det.item() == 40 + bound
