"""What a figure is, in words: one kind to a group, and nothing is lost on the way into groups."""

import pytest

from rheon.bounds import EXACT, by_kind, kinds, likelihood


def test_each_kind_has_words_of_its_own():
    words = {likelihood(noise, draws) for noise in (None, "uniform", "learned") for draws in (1, 2, 3)}
    assert len(words) == 7, "of an exact figure draws change nothing"
    assert likelihood("uniform", 1) == "ELBO with uniform noise"
    assert likelihood(None, 5) == EXACT


def test_figures_fall_into_groups_with_their_errors():
    figures = {
        "test_images": 9,
        "likelihood": EXACT,
        "bits_per_dim": 3.0,
        "bits_per_dim_error": 0.1,
        "histogram_bits_per_dim": 4.0,
        "mixture_bits_per_dim": 5.0,
        "gaussian_bits_per_dim_error": 0.2,
        "gaussian_bits_per_dim": 6.0,
        "round_trip_error": 1e-5,
    }
    groups = by_kind(figures)
    assert list(groups) == ["", EXACT, "ELBO with uniform noise"]
    assert groups[EXACT] == {"bits_per_dim": 3.0, "bits_per_dim_error": 0.1, "histogram_bits_per_dim": 4.0}
    assert len(groups["ELBO with uniform noise"]) == 3
    assert {name for group in groups.values() for name in group} == set(figures) - {"likelihood"}


@pytest.mark.parametrize("likelihood", [None, 3])
def test_what_no_directory_says_is_not_guessed(likelihood):
    assert kinds({"bits_per_dim": 3.0, "likelihood": likelihood, "log_prob": -1.0}) == {}
