"""Flow with bijections made here, whose density is known: no architecture is needed to say what log p is."""

import math
from copy import deepcopy

import numpy as np
import pytest
import safetensors.torch
import torch

from rheon.bijections import ActNorm, BatchNorm, Bijection, Composition, Coupling, FactorOut, Scaling, Squeeze
from rheon.conditioners import MLP
from rheon.distributions import StandardLogistic, StandardNormal
from rheon.elementwise import Affine, MixtureOfLogistics, RationalQuadraticSpline
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.partitions import Channels, Halves
from tests.contracts import BIJECTIONS, M, generator, kind, layouts, noise, perturbed, vector_coupling


def flow(features: int = 4, context: int = 0, couplings: int = 3, scale: float = 0.4) -> Flow:
    parts = [Halves() if k % 2 or features == 1 else Halves().swapped() for k in range(couplings)]
    # A small bound keeps the density within the grids below.
    layers: list[Bijection] = [vector_coupling(part, Affine(0.5), features, context) for part in parts]
    made = Flow(Composition([ActNorm(features), *layers]), StandardNormal(features), context_features=context)
    return perturbed(made, scale)


def image_flow() -> Flow:
    inner = BIJECTIONS["two factor-outs of an image"]
    return perturbed(Flow(inner.make(), StandardNormal(32), inner.shape))


def test_log_prob_is_the_base_at_the_latent_plus_the_log_det():
    made, x = flow(), noise(5, 4)
    z, log_det = made.bijection(x)
    expected = -0.5 * (z**2).sum(1) - 2 * math.log(2 * math.pi) + log_det
    torch.testing.assert_close(made.log_prob(x), expected, rtol=1e-13, atol=1e-13)
    assert torch.equal(made(x), made.log_prob(x))


@pytest.mark.parametrize("base", [StandardNormal, StandardLogistic], ids=lambda base: base.__name__)
def test_an_affine_map_of_the_base_has_the_density_of_the_textbook(base):
    # x = (z - b) / e^s is a normal (or logistic) variable of mean -b / e^s and scale e^-s.
    made = Flow(ActNorm(1), base(1)).double().eval()
    with torch.no_grad():
        made.bijection.log_scale.fill_(-1.5)
        made.bijection.bias.fill_(0.7)
    loc, scale = torch.tensor([-0.7, 1.0], dtype=torch.float64) * math.exp(1.5)
    x = torch.linspace(-20, 20, 11, dtype=torch.float64)[:, None]
    if base is StandardNormal:
        expected = torch.distributions.Normal(loc, scale).log_prob(x)
    else:
        u = (x - loc) / scale
        expected = (u.sigmoid() * (1 - u.sigmoid()) / scale).log()
    torch.testing.assert_close(made.log_prob(x), expected[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("map_", [Affine(), RationalQuadraticSpline(), MixtureOfLogistics(2)], ids=kind)
def test_densities_in_one_dimension_integrate_to_one(map_):
    made = perturbed(Flow(vector_coupling(Halves(), map_, 1), StandardNormal(1)), scale=1.0)
    x = torch.linspace(-60, 60, 1_200_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        assert torch.trapezoid(made.log_prob(x).exp(), x[:, 0]).item() == pytest.approx(1, abs=1e-5)


def grid(low: float, high: float, steps: int) -> tuple[torch.Tensor, float]:
    axis = torch.linspace(low, high, steps, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), (axis[1] - axis[0]).item() ** 2


def test_a_density_in_two_dimensions_integrates_to_one():
    made = flow(2, scale=0.2)
    x, cell = grid(-15, 15, 600)
    with torch.no_grad():
        assert made.log_prob(x).exp().sum().item() * cell == pytest.approx(1, abs=1e-3)


def test_draws_follow_the_density():
    # In every box of a coarse grid as many draws as the density says, to 4.5 standard deviations.
    made = flow(2, scale=0.2)
    n, side, fine = 40_000, 8, 32
    low, high = -4.0, 4.0
    axis = torch.linspace(low, high, side * fine + 1, dtype=torch.float64)
    centres = (axis[1:] + axis[:-1]) / 2
    with torch.no_grad():
        mass = made.log_prob(torch.cartesian_prod(centres, centres)).exp() * (axis[1] - axis[0]) ** 2
    expected = mass.view(side, fine, side, fine).sum((1, 3))
    draws = made.sample(n, generator=generator())
    edges = np.linspace(low, high, side + 1)
    counts, _, _ = np.histogram2d(*draws.T.numpy(), bins=(edges, edges))
    spread = (n * expected * (1 - expected)).sqrt().clamp_min(1.0)
    assert ((torch.from_numpy(counts) - n * expected) / spread).abs().max() < 4.5
    assert counts.sum() > 0.5 * n


def test_every_context_gives_a_density_of_its_own():
    made = flow(2, context=M, scale=0.2)
    x, cell = grid(-15, 15, 400)
    sums, densities = [], []
    with torch.no_grad():
        for given in noise(2, M, seed=8):
            densities.append(made.log_prob(x, given.expand(len(x), -1)).exp())
            sums.append(densities[-1].sum().item() * cell)
    assert sums == pytest.approx([1, 1], abs=1e-3)
    assert (densities[0] - densities[1]).abs().sum() * cell > 0.05


@pytest.mark.parametrize("make", [flow, lambda: flow(1), image_flow], ids=["vector", "one feature", "image"])
def test_sample_and_log_prob_is_log_prob_of_the_sample(make):
    made = make()
    x, log_prob = made.sample_and_log_prob(20, generator=generator())
    assert x.shape == (20, *made.event_shape)
    torch.testing.assert_close(log_prob, made.log_prob(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(made.sample(20, generator=generator()), x, rtol=0, atol=0)


def test_sampling_takes_one_context_or_one_for_each():
    made, given = flow(context=M), noise(6, M)
    many = made.sample(6, given, generator=generator())
    for i in range(6):
        one = made.sample(6, given[i], generator=generator())
        torch.testing.assert_close(one[i], many[i], rtol=1e-13, atol=1e-13)
    x, log_prob = made.sample_and_log_prob(6, given, generator=generator())
    torch.testing.assert_close(log_prob, made.log_prob(x, given), rtol=1e-10, atol=1e-10)


def test_sampling_uses_the_generator_or_fresh_noise_and_nothing_else():
    made = flow()
    before = torch.get_rng_state()
    assert torch.equal(made.sample(5, generator=generator(1)), made.sample(5, generator=generator(1)))
    assert not torch.equal(made.sample(5), made.sample(5))
    made.sample_and_log_prob(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_sampling_takes_a_temperature():
    made = flow()
    centre = made.bijection.inverse(torch.zeros(1, 4, dtype=torch.float64))[0]
    torch.testing.assert_close(made.sample(3, temperature=0.0), centre.expand(3, 4))
    z = made.bijection(made.sample(2000, temperature=0.5, generator=generator()))[0]
    assert z.std().item() == pytest.approx(0.5, rel=0.05)


def test_no_draws_are_an_empty_batch():
    for made in (flow(), image_flow()):
        assert made.sample(0).shape == (0, *made.event_shape)
        assert made.log_prob(made.sample(0)).shape == (0,)


def test_sample_needs_no_gradients_and_sample_and_log_prob_has_them():
    made = flow()
    assert not made.sample(3).requires_grad
    x, log_prob = made.sample_and_log_prob(3)
    weights = list(made.parameters())
    for output in (x, log_prob):
        gradients = torch.autograd.grad(output.sum(), weights, retain_graph=True, allow_unused=True)
        reached = [gradient for gradient in gradients if gradient is not None]
        assert len(reached) >= len(weights) - 1  # a shift of x alone moves no density
        assert all(gradient.isfinite().all() for gradient in reached)


@pytest.mark.parametrize("map_", [Affine(), RationalQuadraticSpline(), MixtureOfLogistics(2)], ids=kind)
def test_gradient_of_a_drawn_log_density_is_that_of_finite_differences(map_):
    # Training by samples (reverse Kullback-Leibler) needs ∂ log p(x(θ); θ) / ∂θ, through both outputs.
    f = vector_coupling(Halves(), map_, 2)
    made = perturbed(Flow(f, StandardNormal(2)), scale=0.5)

    def loss() -> torch.Tensor:
        x, log_prob = made.sample_and_log_prob(7, generator=generator())
        return (log_prob + x.square().sum(1)).mean()

    weight = f.conditioner.theta
    (gradient,) = torch.autograd.grad(loss(), weight)
    step = 1e-6
    # The difference of two losses of size 1000 is known to about 1e-13 / step, whatever the gradient.
    noise_of_difference = 1e-9 * gradient.abs().max().item()
    with torch.no_grad():
        for i in range(len(weight)):
            weight[i] += step
            above = loss()
            weight[i] -= 2 * step
            difference = ((above - loss()) / (2 * step)).item()
            weight[i] += step
            assert gradient[i].item() == pytest.approx(difference, rel=1e-5, abs=1e-8 + noise_of_difference)


def test_latents_come_from_the_finest_to_the_coarsest_in_their_own_shapes():
    made, x = image_flow(), noise(3, 2, 4, 4)
    latents = made.latents(x)
    assert (
        [tuple(z.shape[1:]) for z in latents] == [(4, 2, 2), (2, 2, 2), (2, 2, 2)] == list(made.latent_shapes)
    )
    flat = made.bijection(x)[0]
    assert torch.equal(torch.cat([z.flatten(1) for z in reversed(latents)], 1), flat)
    torch.testing.assert_close(made.from_latents(latents), x, rtol=1e-11, atol=1e-11)


def test_a_vector_has_one_latent():
    made, x = flow(context=M), noise(3, 4)
    (z,) = made.latents(x, given := noise(3, M, seed=4))
    assert torch.equal(z, made.bijection(x, given)[0])
    torch.testing.assert_close(made.from_latents([z], given), x, rtol=1e-12, atol=1e-12)


def test_latents_that_do_not_fit_are_refused():
    made = image_flow()
    z1, z2, z3 = made.latents(noise(3, 2, 4, 4))
    with pytest.raises(RheonError, match="has 3, got 2"):
        made.from_latents([z1, z2])
    with pytest.raises(RheonError, match=r"Z_2 must have shape \(B, 2, 2, 2\), got \(3, 4, 2, 2\)"):
        made.from_latents([z1, z1, z3])
    with pytest.raises(RheonError, match="Z_1 is torch"):
        made.from_latents([z1.float(), z2, z3])
    with pytest.raises(RheonError, match="Z_"):
        made.from_latents([z1, z2[:2], z3])


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(5, 3, dtype=torch.float64), r"\(B, 4\), got \(5, 3\)"),
        (torch.zeros(4, dtype=torch.float64), r"\(B, 4\), got \(4,\)"),
        (torch.zeros(5, 4, 1, dtype=torch.float64), r"\(B, 4\), got \(5, 4, 1\)"),
        (torch.zeros((), dtype=torch.float64), r"\(B, 4\), got \(\)"),
        (torch.zeros(5, 4), "float32, the flow is torch.float64"),
        (torch.zeros(5, 4, dtype=torch.int64), "int64"),
    ],
)
def test_x_of_another_shape_or_type_is_refused(x, says):
    made = flow()
    for method in (made, made.log_prob, made.latents):
        with pytest.raises(RheonError, match=f"x .*{says}"):
            method(x)


@pytest.mark.parametrize("given", [None, noise(5, M + 1), noise(1, M), noise(5), noise(5, M, 1)])
def test_context_of_another_shape_is_refused(given):
    made = flow(context=M)
    for method in (made, made.log_prob, made.latents):
        with pytest.raises(RheonError, match=r"context .*\(5, 2\)"):
            method(noise(5, 4), given)
    with pytest.raises(RheonError, match=r"context .*\(5, 2\)"):
        made.from_latents([noise(5, 4)], given)
    with pytest.raises(RheonError, match=r"context .*\(5, 2\)"):
        made.sample(5, given)


def test_context_of_another_type_is_refused():
    made = flow(context=M)
    for dtype in (torch.float32, torch.int64):
        with pytest.raises(RheonError, match="context"):
            made.log_prob(noise(5, 4), torch.zeros(5, M, dtype=dtype))


def test_a_context_that_nothing_reads_is_refused():
    with pytest.raises(RheonError, match="built without one"):
        flow().log_prob(noise(5, 4), noise(5, M))
    with pytest.raises(RheonError, match="built without one"):
        flow().sample(5, noise(M))


def test_draws_must_be_counted():
    with pytest.raises(RheonError, match="n must be"):
        flow().sample(-1)


def test_a_base_that_does_not_fit_is_refused_when_the_flow_is_built():
    with pytest.raises(RheonError, match=r"base .*\(4,\).*\(3,\)"):
        Flow(Scaling(3), StandardNormal(4), event_shape=(3,))
    with pytest.raises(RheonError, match="base"):
        Flow(Squeeze(), StandardNormal((1, 4, 4)))
    with pytest.raises(RheonError, match="base"):
        Flow(FactorOut(Channels(), Scaling((1, 2, 2)), (2, 2, 2)), StandardNormal((2, 2, 2)), (2, 2, 2))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("make", [flow, image_flow], ids=["vector", "image"])
def test_what_is_no_number_has_no_finite_density_and_spoils_no_other_row(make, bad):
    made = make()
    x = noise(4, *made.event_shape)
    expected = made.log_prob(x)
    for i in range(made.event_shape.numel()):
        spoilt = x.clone()
        spoilt[2].view(-1)[i] = bad
        got = made.log_prob(spoilt)
        assert not got[2].isfinite()
        rest = torch.tensor([0, 1, 3])
        torch.testing.assert_close(got[rest], expected[rest], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("map_", [Affine(), RationalQuadraticSpline(), MixtureOfLogistics(2)], ids=kind)
@pytest.mark.parametrize("x", [0.5, 50.0])
def test_a_context_that_is_no_number_gives_no_density(map_, x):
    # 50 lies in the linear tails of the spline, where its parameters are not looked at.
    made = perturbed(Flow(vector_coupling(Halves(), map_, 4, M), StandardNormal(4), context_features=M))
    given = noise(2, M)
    given[0, 1] = float("nan")
    got = made.log_prob(torch.full((2, 4), x, dtype=torch.float64), given)
    assert not got[0].isfinite()
    assert got[1].isfinite()


def test_layout_in_memory_does_not_matter_and_inputs_stay_as_they_were():
    for made in (flow(), image_flow()):
        x = noise(4, *made.event_shape)
        for layout in layouts(x):
            before = layout.clone()
            torch.testing.assert_close(made.log_prob(layout), made.log_prob(x), rtol=1e-12, atol=1e-12)
            assert torch.equal(layout, before)


@pytest.mark.filterwarnings(
    "ignore:The given NumPy array is not writable"
)  # torch's own word about the next line
def test_memory_that_cannot_be_written_is_read():
    array = noise(4, 4).numpy()
    array.setflags(write=False)
    made = flow()
    torch.testing.assert_close(made.log_prob(torch.from_numpy(array)), made.log_prob(noise(4, 4)))


def test_weights_go_through_a_file_and_come_back_bit_for_bit():
    for make in (flow, image_flow):
        made = make()
        kept = safetensors.torch.save({k: v.contiguous() for k, v in made.state_dict().items()})
        fresh = perturbed(make(), seed=77)
        x = noise(4, *made.event_shape)
        assert not torch.equal(fresh.log_prob(x), made.log_prob(x))
        fresh.load_state_dict(safetensors.torch.load(kept))
        assert torch.equal(fresh.log_prob(x), made.log_prob(x))
        assert torch.equal(deepcopy(made).log_prob(x), made.log_prob(x))


def test_in_training_mode_a_batch_norm_makes_a_row_depend_on_its_batch_and_in_evaluation_not():
    made = perturbed(Flow(BatchNorm(3), StandardNormal(3)))
    x = noise(8, 3)
    torch.testing.assert_close(made.log_prob(x)[:4], made.log_prob(x[:4]))
    made.train()
    assert not torch.allclose(made.log_prob(x)[:4], made.log_prob(x[:4]))


def test_event_shape_and_recipe_of_a_flow_made_by_hand():
    assert flow().event_shape == (4,)
    assert image_flow().event_shape == (2, 4, 4)
    assert flow().recipe is None


def test_conditioners_of_another_context_are_refused_when_the_flow_is_built():
    for promised, given in ((3, 0), (0, 3), (3, 2)):
        layer = Coupling(Halves(), Affine(), MLP(1, 2, context_features=given))
        with pytest.raises(RheonError, match="context_features"):
            Flow(layer, StandardNormal(2), context_features=promised)
