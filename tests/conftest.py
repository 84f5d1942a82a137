"""What all tests share: one thread, the same random numbers in every run, nothing left for the next test."""

import random
from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile(
    "rheon",
    derandomize=True,
    database=None,
    deadline=None,  # a shared machine may stall, which is no failure of the code
    max_examples=25,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("rheon")


def _rng_states() -> tuple:
    return torch.get_rng_state().numpy(), np.random.get_state(), random.getstate()  # noqa: NPY002


@pytest.fixture(autouse=True)
def _same_start_and_nothing_left() -> Iterator[None]:
    """Seeds the global generators, so that order does not matter; hands all back as it was."""
    settings = {
        "threads": torch.get_num_threads,
        "dtype": torch.get_default_dtype,
        "grad": torch.is_grad_enabled,
        "deterministic": torch.are_deterministic_algorithms_enabled,
    }
    torch_state, numpy_state, python_state = _rng_states()
    before = {name: read() for name, read in settings.items()}
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    yield
    after = {name: read() for name, read in settings.items()}
    torch.set_rng_state(torch.from_numpy(torch_state))
    np.random.set_state(numpy_state)  # noqa: NPY002
    random.setstate(python_state)
    torch.set_num_threads(before["threads"])
    torch.set_default_dtype(before["dtype"])
    torch.set_grad_enabled(before["grad"])
    if after["deterministic"] != before["deterministic"]:  # the call alone imports torch's compiler: seconds
        torch.use_deterministic_algorithms(before["deterministic"])
    assert after == before, "the test, or the code under test, left a process-wide setting changed"


@pytest.fixture
def untouched_rng() -> Iterator[None]:
    """Fails the test if the global random state of torch, numpy or Python has moved by its end."""
    before = _rng_states()
    yield
    for generator, now, then in zip(("torch", "numpy", "random"), _rng_states(), before, strict=True):
        np.testing.assert_equal(now, then, err_msg=f"the global generator of {generator} was used")
