import pytest

from rheon.cli.closing import closing, training_line


def test_images():
    figures = {
        "test_images": 1359,
        "likelihood": "exact log P of the levels",
        "bits_per_dim": 1.98765,
        "bits_per_dim_error": 0.0123,
        "mixture_bits_per_dim": 2.57,
        "histogram_bits_per_dim": 2.43,
        "round_trip_error": 1.2e-5,
    }
    assert list(closing(figures)) == [
        "  1,359 test images: bits/dim, lower is better",
        "  exact log P of the levels",
        "    this model              1.988 ± 0.012",
        "    independent pixels      2.430",
        "  ELBO with uniform noise",
        "    Gaussian mixture        2.570",
        "  round trip f⁻¹(f(x)) - x: 1.2e-05 grey levels at most",
    ]


def test_likelihoods_of_different_kinds_stand_under_different_heads():
    figures = {
        "test_images": 9,
        "likelihood": "ELBO with learned noise",
        "bits_per_dim": 2.0,
        "mixture_bits_per_dim": 2.5,
        "histogram_bits_per_dim": 2.25,
    }
    assert list(closing(figures)) == [
        "  9 test images: bits/dim, lower is better",
        "  ELBO with learned noise",
        "    this model              2.000",
        "  ELBO with uniform noise",
        "    Gaussian mixture        2.500",
        "  exact log P of the levels",
        "    independent pixels      2.250",
    ]


def test_rows():
    figures = {"test_rows": 10, "log_prob": -1.5, "true_log_prob": -1.25, "integral": 0.99999912}
    assert list(closing(figures)) == [
        "  10 test rows: mean log p in nats, higher is better",
        "    this model             -1.500",
        "    the true density       -1.250",
        "  integral of the density: 1.0000",
    ]


@pytest.mark.parametrize("figures", [{}, {"log_prob": 1}, {"test_rows": None}])
def test_what_is_missing_is_left_out(figures):
    assert list(closing(figures))


def test_training_in_one_sentence():
    facts = {
        "ended": "with the budget",
        "steps": 1748,
        "best_step": 407,
        "seconds": 52.3,
        "rows_per_second": 961.4,
    }
    assert training_line(facts) == (
        "trained for 52 s, 1,748 steps, 961 rows/s; ended with the budget; the weights of step 407 were best"
    )
