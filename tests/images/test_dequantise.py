"""Learned noise: its density against autograd, the bound against a probability that is known."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import rheon
from rheon import ImageDensity, ModelError, RheonError
from rheon.architectures import glow, image_flow, multiscale_realnvp
from rheon.images import looks
from rheon.images.dequantise import Bound, Dequantiser
from rheon.training import Checkpoints, Settings, train

GENERATOR = torch.Generator().manual_seed(0)


def _moved(dequantiser):
    """Weights that are no longer those of the identity."""
    with torch.no_grad():
        for parameter in dequantiser.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=GENERATOR))
    return dequantiser


def test_log_q_is_the_density_of_u():
    q = _moved(Dequantiser((1, 2, 4), levels=8, width=6)).double()
    k = torch.tensor([[3.0, 0, 7, 5], [1, 2, 6, 4]], dtype=torch.float64).view(1, 1, 2, 4)
    r = torch.rand(1, 1, 2, 4, generator=GENERATOR, dtype=torch.float64)
    _, log_q = q(k, r)
    jacobian = torch.autograd.functional.jacobian(lambda r: q(k, r.view_as(k))[0].flatten(), r.flatten())
    assert log_q.item() == pytest.approx(-float(torch.linalg.slogdet(jacobian)[1]), abs=1e-9)


def test_u_depends_on_the_image_and_stays_within_one_grey_level():
    q = _moved(Dequantiser((3, 4, 4), levels=256, width=6))
    r = torch.rand(50, 3, 4, 4, generator=GENERATOR)
    k = torch.randint(0, 256, (50, 3, 4, 4), generator=GENERATOR).float()
    u, log_q = q(k, r)
    other, _ = q(255 - k, r)
    assert bool(((u >= 0) & (u <= 1)).all())
    assert bool(torch.isfinite(log_q).all())
    assert (u - other).abs().max().item() > 0.01


def test_the_ends_of_uniform_noise_stay_finite():
    q = _moved(Dequantiser((1, 2, 2), levels=4, width=6))
    u, log_q = q(torch.zeros(2, 1, 2, 2), torch.tensor([0.0, 1 - 2**-24]).view(2, 1, 1, 1).expand(2, 1, 2, 2))
    assert bool(torch.isfinite(u).all() and torch.isfinite(log_q).all())


class Bump(nn.Module):
    """A density of x = k + u that a uniform u does not fit: u + k is normal around 1.5, narrow."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.1), requires_grad=False)

    def forward(self, x, context=None):
        return torch.distributions.Normal(1.5, self.scale).log_prob(x).flatten(1).sum(1)


def test_training_tightens_the_bound_to_the_probability():
    """P(k = 1) = ∫₁² p = erf(5 / √2) for each pixel, nearly 1; uniform noise bounds it by -3 nats a pixel."""
    bound = Bound(Bump(), Dequantiser((1, 2, 2), levels=3, width=8, couplings=2))

    class Ones:
        def __len__(self):
            return 256

        def batch(self, rows, generator):
            r = torch.rand((len(rows), 1, 2, 2), generator=generator)
            return torch.cat((torch.ones_like(r), r), 1), None

    losses = [
        r.loss / 4 for r in train(bound, Ones(), None, Settings(steps=300, learning_rate=1e-2, threads=1))
    ]
    uniform = math.log(0.1 * math.sqrt(2 * math.pi)) + (1 / 12) / (2 * 0.01)
    assert losses[0] == pytest.approx(uniform, rel=0.05)
    exact = -math.log(math.erf(5 / math.sqrt(2)))
    assert exact - 1e-3 < sum(losses[-20:]) / 20 < exact + 0.05


def test_odd_sides_are_refused():
    with pytest.raises(RheonError, match="5×4"):
        Dequantiser((1, 5, 4), levels=4)


IMAGES = (np.random.default_rng(0).random((300, 4, 4)) ** 2 * 5).astype(np.uint8)
SETTINGS = Settings(steps=30, batch_size=64, threads=1, learning_rate=1e-2)


@pytest.fixture(scope="module")
def model() -> ImageDensity:
    return ImageDensity("realnvp", dequantise="learned").fit(IMAGES, settings=SETTINGS)


def test_importance_weights_give_the_probability_that_a_grid_gives():
    """P(k) = ∫ p(k + u) du on a grid of u, of 2×2 images of two levels; the noise has far left uniform."""
    images = np.random.default_rng(0).choice(2, (300, 2, 2), p=[0.7, 0.3]).astype(np.uint8)
    model = ImageDensity(lambda shape: multiscale_realnvp(shape, 1, 6, 1), 2, dequantise="learned")
    model.fit(images, settings=Settings(steps=100, threads=1, learning_rate=1e-2))
    side = (torch.arange(12) + 0.5) / 12
    u = torch.cartesian_prod(side, side, side, side).view(-1, 1, 2, 2)
    every = np.array(list(itertools.product((0, 1), repeat=4)), np.uint8).reshape(-1, 2, 2)
    with torch.no_grad():
        log_p = [model.fitted(torch.from_numpy(k) + u).double().logsumexp(0) for k in every]
        _, log_q = model.parts["dequantiser"](torch.zeros(50, 1, 2, 2), torch.rand(50, 1, 2, 2))
    assert log_q.abs().max() > 0.5
    expected = torch.stack(log_p).exp().numpy() / len(u)
    np.testing.assert_allclose(np.exp(model.log_prob(every, draws=150)), expected, atol=0.015)
    assert 0.9 < expected.sum() < 1.001


def test_figures_say_what_they_are_and_draws_tighten_them(model):
    assert model.likelihood() == model.unit.likelihood == "ELBO with learned noise"
    assert model.history[-1].as_dict()["likelihood"] == "ELBO with learned noise"
    assert model.likelihood(8) == "importance-weighted bound with 8 draws of learned noise"
    assert model.log_prob(IMAGES, draws=8).mean() > model.log_prob(IMAGES).mean()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_score_has_the_same_bits_in_any_batch(model, size):
    whole = model.log_prob(IMAGES)
    assert np.array_equal(model.log_prob(IMAGES[9 : 9 + size]), whole[9 : 9 + size])


def test_save_and_load_give_the_same_bits(model, tmp_path):
    model.save(tmp_path / "m.rheon")
    loaded = rheon.load(tmp_path / "m.rheon")
    assert loaded.dequantise == "learned"
    assert np.array_equal(loaded.log_prob(IMAGES, draws=2), model.log_prob(IMAGES, draws=2))
    config = json.loads((tmp_path / "m.rheon/config.json").read_text())
    for changed, says in (("uniform", "'dequantiser.*' is unknown"), ("odd", "dequantise must be")):
        config["preprocessing"]["dequantise"] = changed
        (tmp_path / "m.rheon/config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match=says):
            rheon.load(tmp_path / "m.rheon")


def test_a_run_that_was_broken_off_ends_with_the_same_weights(tmp_path):
    def training(name, dequantise="learned"):
        checkpoints = Checkpoints(tmp_path / name, tell=lambda words: None)
        model = ImageDensity("realnvp", dequantise=dequantise)
        settings = Settings(steps=8, batch_size=16, threads=1, patience=None)
        return model, checkpoints, model.training(IMAGES, settings, checkpoints)

    whole, _, records = training("whole")
    assert len(list(records)) == 8
    _, checkpoints, records = training("broken")
    assert len(list(itertools.islice(records, 5))) == 5
    assert checkpoints.save()
    records.close()
    again, _, records = training("broken")
    assert len(list(records)) == 8
    first, second = whole.parts.state_dict(), again.parts.state_dict()
    assert any(name.startswith("dequantiser.") for name in first)
    assert all(torch.equal(first[name], second[name]) for name in first)
    _, checkpoints, records = training("other")
    next(records)
    assert checkpoints.save()
    records.close()
    with pytest.raises(RheonError, match="differs in"):
        next(training("other", "uniform")[2])


def test_the_bits_of_each_pixel_add_up_to_the_bound(model):
    bits = looks.bits_map(model, IMAGES[:50])
    np.testing.assert_allclose(bits.mean((1, 2)), model.bits_per_dim(IMAGES[:50]), rtol=1e-5)


def test_images_come_back_through_learned_noise(model):
    np.testing.assert_array_equal(looks.reconstruction(model, IMAGES[:50])[:, 0], IMAGES[:50])
    assert model.round_trip_error(IMAGES) < 1e-3


def test_learned_noise_is_refused_where_none_is_needed():
    with pytest.raises(RheonError, match="image_flow gives whole levels their exact probabilities"):
        ImageDensity(dequantise="learned")
    of_its_own = ImageDensity(lambda shape: image_flow(shape, 5), dequantise="learned")
    with pytest.raises(RheonError, match="needs no noise"):
        of_its_own.fit(IMAGES, steps=1)
    with pytest.raises(RheonError, match="'uniform' or 'learned', got 'normal'"):
        ImageDensity("glow", dequantise="normal")


@pytest.mark.parametrize("memory", ["checkpoint", "invert"])
def test_what_the_flow_keeps_for_its_derivative_changes_no_gradient(memory):
    def slopes(kept):
        model = ImageDensity(lambda shape: glow(shape, 1, 2, 4), dequantise="learned")
        settings = Settings(steps=3, batch_size=32, threads=1, memory=kept, learning_rate=1e-3)
        model.fit(IMAGES, settings=settings)
        return [record.gradient_norm for record in model.history]

    np.testing.assert_allclose(slopes(memory), slopes("store"), rtol=1e-3)
