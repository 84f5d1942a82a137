import pytest
import torch

from rheon.bijections import BatchNorm
from tests.contracts import noise


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4)])
def test_training_uses_the_batch_and_its_log_det(shape):
    norm, x = BatchNorm(3, eps=1e-4).double().train(), 5 + 3 * noise(50, *shape)
    z, log_det = norm(x)
    channels = x.movedim(1, 0).flatten(1)
    mean, var = channels.mean(1), channels.var(1, correction=0)
    view = (-1, *(1,) * (len(shape) - 1))
    expected = (x - mean.view(view)) / (var.view(view) + 1e-4).sqrt()
    torch.testing.assert_close(z, expected, rtol=1e-12, atol=1e-12)
    pixels = x[0, 0].numel()
    assert log_det.tolist() == pytest.approx(
        [-0.5 * pixels * (var + 1e-4).log().sum().item()] * 50, rel=1e-12
    )


def test_running_statistics_follow_the_batches():
    norm = BatchNorm(1, momentum=0.25).double().train()
    x = torch.tensor([[1.0], [3.0]], dtype=torch.float64)  # mean 2, variance 1
    norm(x)
    assert norm.running_mean.item() == pytest.approx(0.25 * 2)
    assert norm.running_var.item() == pytest.approx(0.75 * 1 + 0.25 * 1)
    norm(5 * x)  # mean 10, variance 25
    assert norm.running_mean.item() == pytest.approx(0.75 * 0.5 + 0.25 * 10)
    assert norm.running_var.item() == pytest.approx(0.75 * 1 + 0.25 * 25)


def test_evaluation_uses_the_running_statistics_and_moves_nothing():
    norm = BatchNorm(3).double().train()
    for seed in range(3):
        norm(7 + 2 * noise(50, 3, seed=seed))
    x = noise(20, 3, seed=9)
    z_train, _ = norm(x)
    norm.eval()
    state = {name: value.clone() for name, value in norm.state_dict().items()}
    z, log_det = norm(x)
    expected = (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(z, expected, rtol=1e-12, atol=1e-12)
    assert log_det.tolist() == pytest.approx([-0.5 * (norm.running_var + norm.eps).log().sum().item()] * 20)
    assert not torch.allclose(z, z_train)
    for name, value in norm.state_dict().items():
        assert torch.equal(value, state[name])


def test_inverse_is_exact_for_the_flow_that_is_evaluated_in_either_mode():
    norm = BatchNorm(3).double().train()
    norm(7 + 2 * noise(50, 3))
    with torch.no_grad():
        norm.log_gamma += 0.3
        norm.beta -= 1.0
    x = noise(20, 3, seed=9)
    z, log_det = norm.eval()(x)
    for mode in (False, True):
        state = {name: value.clone() for name, value in norm.state_dict().items()}
        x_back, log_det_back = norm.train(mode).inverse(z)
        torch.testing.assert_close(x_back, x, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(log_det_back, -log_det, rtol=1e-12, atol=0)
        for name, value in norm.state_dict().items():
            assert torch.equal(value, state[name])


def test_gradients_pass_through_the_statistics_of_the_batch():
    # A batch-normalised output does not change when the whole batch is moved.
    x = noise(20, 2).requires_grad_()
    z, _ = BatchNorm(2).double().train()(x)
    (z * noise(20, 2, seed=5)).sum().backward()
    torch.testing.assert_close(x.grad.sum(0), torch.zeros(2, dtype=x.dtype), rtol=0, atol=1e-12)


def test_statistics_are_saved():
    norm = BatchNorm(2).double().train()
    norm(7 + noise(50, 2))
    fresh = BatchNorm(2).double()
    fresh.load_state_dict(norm.state_dict())
    x = noise(5, 2)
    assert torch.equal(fresh.eval()(x)[0], norm.eval()(x)[0])
