"""Every architecture of images, as it is built for real ones: back from its latents, the same in training."""

import copy

import numpy as np
import pytest
import torch

from rheon import DataError, ImageDensity, RheonError
from rheon.architectures import realnvp_cifar10, realnvp_imagenet32
from rheon.datasets import load_digits
from rheon.images import read_images
from rheon.images.presets import _ARGUMENTS, full_name, scales

SLIM = {
    "realnvp_cifar10": lambda shape: realnvp_cifar10(4, 1),
    "realnvp_imagenet32": lambda shape: realnvp_imagenet32(4, 1),
}
"""The paper's, as deep but narrower: at its own width a thousand images take minutes."""

CASES = [
    *((name, "digits", "uniform") for name in _ARGUMENTS if name not in SLIM),
    *((name, "digits", "learned") for name in _ARGUMENTS if name not in (*SLIM, "image_flow")),
    *((name, "photos", "uniform") for name in ("image_flow", "glow", *SLIM)),
]


def test_every_preset_is_among_the_cases():
    assert {name for name, _, _ in CASES} >= set(_ARGUMENTS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "source", "noise"), CASES)
def test_a_thousand_real_images_come_back_and_training_is_as_evaluation(name, source, noise):
    images = read_images(source).take(np.arange(1000))
    model = ImageDensity(SLIM.get(name, name), dequantise=noise)
    model.fit(
        images, settings=model.settings(steps=60 if source == "digits" else 12, batch_size=64, threads=1)
    )
    # Of 256 levels 1e-3 is 65 last places of float32, which a deep stack of real numbers amplifies.
    limit = 1e-2 if source == "photos" and name != "image_flow" else 1e-3
    assert model.round_trip_error(images) <= limit
    flow, worst = copy.deepcopy(model.fitted).double(), 0.0
    with torch.no_grad():
        for x, _ in model.dequantised(images.take(np.arange(1000 if source == "digits" else 128))):
            back, _ = flow.bijection.inverse(flow.bijection(x.double())[0])
            worst = max(worst, float((back - x.double()).abs().max()))
    assert worst <= 1e-9
    assert model.sample(1000, seed=0).shape[0] == 1000, "all are finite, or an error"
    scored = model.bits_per_dim(images).mean()
    model.parts.train()
    with torch.no_grad():
        nats = torch.cat([-model._objective(rows, None) for rows, _ in model.objective_rows(images)])
    assert model.unit(float(nats.double().mean())) == pytest.approx(scored, abs=0.005)


@pytest.mark.parametrize("size", ["base", "large"])
def test_larger_sizes_of_the_default_learn(size):
    images = load_digits().images[:200]
    model = ImageDensity(f"image_flow_{size}")
    model.fit(images, settings=model.settings(steps=6, batch_size=32, threads=1, patience=None))
    assert model.history[-1].loss < model.history[0].loss
    assert model.round_trip_error(images) < 1e-3


def test_as_many_scales_as_leave_two_pixels():
    assert [scales((1, n, n)) for n in (2, 4, 8, 16, 28, 32)] == [1, 1, 2, 3, 2, 3]
    with pytest.raises(DataError, match="5×4"):
        scales((1, 5, 4))


def test_names():
    assert full_name("spline") == "multiscale_spline"
    with pytest.raises(RheonError, match="did you mean 'image_flow_large'"):
        ImageDensity("image_flow_huge")
