"""The map of whole levels: its masses from their definition in many digits, its inverse, its derivatives."""

import math
from collections.abc import Sequence

import mpmath
import pytest
import torch
from mpmath import mpf

from rheon.elementwise import DiscretisedLogistics
from rheon.errors import RheonError
from tests.contracts import log_abs_det, noise

LOG_2PI = math.log(2 * math.pi)


def masses(
    map_: DiscretisedLogistics, psi: list[float], move: float = 0.0, told: Sequence[mpf] = ()
) -> tuple[list[mpf], list[list[mpf]]]:
    """P(0), …, P(levels - 1) from the CDF as it is defined, and those of each component, in 50 digits.

    ``move``: what colours before add to the means; ``told``: the mass of each component there.
    """
    n, levels, half = map_.components, map_.levels, mpf(map_.reach)
    logits, offsets, raw = (psi[i * n : (i + 1) * n] for i in range(3))
    exps = [mpmath.exp(w) * (told[i] if told else 1) for i, w in enumerate(logits)]
    means = [m + half * (mpf(2 * i + 1) / n - 1) + psi[3 * n] + move for i, m in enumerate(offsets)]
    low, high = mpmath.log(mpf(2) / levels) - 3, mpf(2)
    middle, reach = (low + high) / 2, (high - low) / 2
    start = mpmath.atanh((mpmath.log(half / n) - middle) / reach)
    scales = [mpmath.exp(middle + reach * mpmath.tanh(c / reach + start)) for c in raw]

    def cdf(k: int, i: int) -> mpf:
        if k in (0, levels):
            return mpf(k > 0)
        return 1 / (1 + mpmath.exp((means[i] - (mpf(2 * k) / levels - 1)) / scales[i]))

    floor = mpf(map_.floor)
    each = [[cdf(k + 1, i) - cdf(k, i) for i in range(n)] for k in range(levels)]
    total = mpmath.fsum(exps)
    mixed = [mpmath.fsum(e * m for e, m in zip(exps, row, strict=True)) / total for row in each]
    even = floor / levels
    return [(1 - floor) * m + even for m in mixed], [[(1 - floor) * m + even for m in row] for row in each]


@pytest.mark.parametrize(("scale", "reach"), [(0.5, 1.0), (3.0, 1.0), (0.5, 0.25)])
def test_golden(scale, reach):
    map_ = DiscretisedLogistics(levels=6, components=3, reach=reach)
    psi = scale * noise(10, seed=1)
    x = torch.tensor([[0.0625], [1.5], [2.75], [3.0], [4.25], [5.9375]], dtype=torch.float64)
    y, log_slope = map_(x, psi.view(1, 10, 1).expand(6, 10, 1))
    with mpmath.workdps(50):
        mass, _ = masses(map_, [mpf(v) for v in psi.tolist()])
        assert mpmath.almosteq(mpmath.fsum(mass), 1)
        for row, value in enumerate(x[:, 0].tolist()):
            k = int(value)
            inside = mass[k]
            u = mpmath.fsum(mass[:k]) + (value - k) * inside
            expected = mpmath.sqrt(2) * mpmath.erfinv(2 * u - 1)
            slope = mpmath.log(inside) + expected**2 / 2 + mpmath.log(2 * mpmath.pi) / 2
            # At the lower end of a cell x is kept 1e-7 off.
            tolerance = 1e-6 if value == k else 1e-10
            assert y[row, 0].item() == pytest.approx(float(expected), rel=tolerance, abs=tolerance)
            assert log_slope[row, 0].item() == pytest.approx(float(slope), rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
def test_the_density_of_every_point_of_a_cell_is_one_and_the_cells_sum_to_one(levels):
    map_ = DiscretisedLogistics(levels)
    psi = (2 * noise(1, map_.num_params, 7)).expand(2 * levels, -1, -1)
    x = torch.arange(levels, dtype=torch.float64)[:, None] + torch.tensor([0.01, 0.83])
    y, log_slope = map_(x.view(-1, 1).expand(-1, 7).double(), psi)
    p = (log_slope - 0.5 * y.square() - 0.5 * LOG_2PI).exp().view(levels, 2, 7)
    torch.testing.assert_close(p[:, 0], p[:, 1], rtol=1e-9, atol=0)
    torch.testing.assert_close(p[:, 0].sum(0), torch.ones(7, dtype=torch.float64), rtol=1e-12, atol=0)
    assert (p >= 0.999 * map_.floor / levels).all()


def test_without_parameters_it_is_nearly_uniform():
    map_ = DiscretisedLogistics(levels=256)
    y, log_slope = map_(torch.arange(256.0)[:, None] + 0.5, torch.zeros(256, map_.num_params, 1))
    p = (log_slope - 0.5 * y.square() - 0.5 * LOG_2PI).exp() * 256
    assert float(-p.log2().mean()) < 0.2


@pytest.mark.parametrize(
    ("dtype", "scale", "tolerance"),
    [(torch.float64, 1.0, 1e-9), (torch.float64, 5.0, 1e-6), (torch.float32, 0.5, 5e-4)],
    ids=str,
)
@pytest.mark.parametrize("channels", [1, 3])
def test_round_trip_both_ways(dtype, scale, tolerance, channels):
    map_ = DiscretisedLogistics(levels=256, components=4, channels=channels)
    params = scale * noise(50, map_.num_params, 3, 2, 2, dtype=dtype)
    x, _ = map_.inverse(noise(50, 3, 2, 2, seed=1, dtype=dtype), params)  # levels that have some probability
    y, log_there = map_(x, params)
    back, log_back = map_.inverse(y, params)
    torch.testing.assert_close(back, x, rtol=0, atol=tolerance)
    torch.testing.assert_close(log_there, -log_back, rtol=0, atol=10 * tolerance)
    y = noise(50, 3, 2, 2, seed=2, dtype=dtype)
    x, _ = map_.inverse(y, params)
    assert ((x >= 0) & (x < 256)).all()
    torch.testing.assert_close(map_(x, params)[0], y, rtol=0, atol=1e-3 if dtype == torch.float32 else 1e-5)


def test_strictly_increasing_over_all_cells():
    map_ = DiscretisedLogistics(levels=9)
    x = torch.linspace(0.001, 8.999, 901, dtype=torch.float64)[:, None].expand(901, 20)
    params = (2 * noise(1, map_.num_params, 20)).expand(901, -1, -1)
    assert (map_(x, params)[0].diff(dim=0) > 0).all()
    y = torch.linspace(-6, 6, 901, dtype=torch.float64)[:, None].expand(901, 20)
    assert (map_.inverse(y, params)[0].diff(dim=0) >= 0).all()


@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("output", ["value", "log slope"])
def test_gradients_are_those_of_finite_differences(direction, output):
    map_ = DiscretisedLogistics(levels=5, components=2, channels=3)
    at = 5 * noise(2, 3, 1, 1, seed=3).sigmoid() if direction == "forward" else noise(2, 3, 1, 1, seed=3)
    params = (0.8 * noise(2, map_.num_params, 3, 1, 1, seed=7)).requires_grad_()
    function, index = getattr(map_, direction), int(output == "log slope")
    assert torch.autograd.gradcheck(
        lambda at, params: function(at, params)[index], (at.requires_grad_(), params)
    )


def test_colours_see_those_before_them_and_the_log_slope_is_the_log_det():
    map_ = DiscretisedLogistics(levels=8, components=2, channels=3)
    params = noise(1, map_.num_params, 3, 1, 1)
    x = 8 * noise(1, 3, 1, 1, seed=4).sigmoid()
    log_det = log_abs_det(lambda v: map_(v, params)[0], x)
    torch.testing.assert_close(map_(x, params)[1].sum().view(1), log_det, rtol=0, atol=1e-10)
    moved = torch.stack(
        [map_((x + (torch.arange(3) == c).view(1, 3, 1, 1)) % 8, params)[0] for c in range(3)]
    )
    changed = (moved != map_(x, params)[0]).view(3, 3)
    assert changed.tolist() == [[True, True, True], [False, True, True], [False, False, True]]


def test_colours_before_move_the_means_and_weigh_the_components():
    map_ = DiscretisedLogistics(levels=8, components=2, channels=2)
    first = [0.3, -0.2, 0.1, 0.4, -0.5, 0.2, 0.15, 9.9]  # what no colour stands before is not read
    second = [-0.1, 0.6, 0.2, -0.3, 0.1, -0.4, -0.25, 0.6]
    params = torch.tensor([first, second], dtype=torch.float64).T.reshape(1, 8, 2, 1, 1)
    x = torch.tensor([3.5, 5.5], dtype=torch.float64).view(1, 2, 1, 1)
    y, log_slope = map_(x, params)
    got = (log_slope - 0.5 * y.square() - 0.5 * LOG_2PI).exp().flatten().tolist()
    with mpmath.workdps(30):
        of_first, each = masses(map_, first)
        of_second, _ = masses(map_, second, 0.6 * (3.5 / 4 - 1 - 0.15), each[3])
    assert got == pytest.approx([float(of_first[3]), float(of_second[5])], rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_everything_is_finite_everywhere(dtype, scale):
    # At the ends of cells and of the domain, with parameters that saturate every softmax and tanh.
    map_ = DiscretisedLogistics(levels=256)
    values = [0.0, 1e-9, 0.9999999, 1.0, 127.99999, 128.0, 255.0, 255.99998, 256.0]
    x = torch.tensor(values, dtype=dtype)[:, None].expand(-1, 30).clone().requires_grad_()
    params = (scale * noise(len(values), map_.num_params, 30, dtype=dtype)).requires_grad_()
    y, log_slope = map_(x, params)
    back, log_back = map_.inverse(y.detach(), params)
    total = y.sum() + log_slope.sum() + back.sum() + log_back.sum()
    assert total.isfinite()
    for gradient in torch.autograd.grad(total, (x, params)):
        assert gradient.isfinite().all()
    far, _ = map_.inverse(torch.tensor([[-1e4], [-40.0], [40.0], [1e4]], dtype=dtype), params[:4, :, :1])
    assert ((far >= 0) & (far < 256)).all()


@pytest.mark.parametrize("x", [-0.01, 8.01, -1e9, float("nan"), float("inf")])
def test_outside_the_levels_there_is_no_number(x):
    map_ = DiscretisedLogistics(levels=8)
    y, log_slope = map_(torch.tensor([[x, 3.5]]), torch.zeros(1, map_.num_params, 2))
    assert y.isnan().tolist() == [[True, False]]
    assert log_slope.isnan().tolist() == [[True, False]]


def test_layout_in_memory_does_not_matter():
    map_ = DiscretisedLogistics(levels=8, components=2, channels=3)
    x, params = 8 * noise(4, 3, 2, 5).sigmoid(), noise(4, map_.num_params, 3, 2, 5)
    y, log_slope = map_(x, params)
    for like in (
        params.transpose(0, 2).contiguous().transpose(0, 2),
        params.movedim(1, 4).contiguous().movedim(4, 1),
    ):
        got = map_(x.contiguous(memory_format=torch.channels_last), like)
        torch.testing.assert_close(got, (y, log_slope), rtol=1e-12, atol=1e-12)
    one = map_(x[1:2], params[1:2])
    torch.testing.assert_close(one, (y[1:2], log_slope[1:2]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [{"levels": 1}, {"components": 0}, {"channels": 0}, {"reach": 0.0}, {"floor": 0.0}, {"floor": 1.0}],
    ids=str,
)
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(RheonError, match=next(iter(wrong))):
        DiscretisedLogistics(**wrong)


def test_other_channels_are_refused():
    map_ = DiscretisedLogistics(channels=3)
    with pytest.raises(RheonError, match="3 channels"):
        map_(noise(2, 4, 2, 2), noise(2, map_.num_params, 4, 2, 2))


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:.*autograd.function.Function.*:DeprecationWarning")  # torch to itself
def test_compiles_as_one_graph_in_both_directions():
    map_ = DiscretisedLogistics(levels=8, components=2)
    torch._dynamo.reset()
    x, params = 8 * noise(4, 3).sigmoid(), noise(4, map_.num_params, 3)
    for direction, at in ((map_, x), (map_.inverse, noise(4, 3))):
        got = torch.compile(direction, fullgraph=True, backend="eager")(at, params)
        torch.testing.assert_close(got, direction(at, params), rtol=0, atol=1e-13)
