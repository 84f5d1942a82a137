"""The model card says what the config says, and text from users stays text."""

from rheon.card import card
from rheon.verdicts import recorded

CONFIG = {
    "architecture": {"name": "realnvp", "arguments": {"features": 2}},
    "data": {
        "description": "9 rows of 2 columns",
        "left_out": [["<script>alert(1)</script>", "text | pipe"]],
    },
    "figures": {"test_nats": -1.25},
}


def test_facts_are_there():
    text = card(CONFIG, "m.rheon")
    assert "realnvp(features=2)" in text
    assert "| test nats | -1.25 |" in text
    assert 'rheon.load("m.rheon")' in text


def test_likelihoods_of_different_kinds_stand_in_different_tables():
    figures = {"likelihood": "exact log P of the levels", "bits_per_dim": 3.0, "mixture_bits_per_dim": 4.0}
    text = card({**CONFIG, "figures": {**figures, "test_images": 7}}, "m.rheon")
    assert "## Figures\n\n| | |\n|---|---|\n| test images | 7 |\n\n" in text
    assert "## Figures: exact log P of the levels\n\n| | |\n|---|---|\n| bits per dim | 3 |\n\n" in text
    assert "## Figures: ELBO with uniform noise\n\n| | |\n|---|---|\n| mixture bits per dim | 4 |" in text


def test_markup_and_pipes_in_names_are_escaped():
    text = card(CONFIG, "m.rheon")
    assert "<script>" not in text
    assert "text \\| pipe" in text


def test_verdicts_are_those_of_the_report():
    config = CONFIG | {
        "figures": {"log_prob": -1.0, "gaussian_log_prob": -2.0, "round_trip_error": 1e-6},
        "training": {"steps": 10, "best_step": 4, "ended": "early"},
    }
    text = card(config, "m")
    found = list(recorded(config))
    assert len(found) == 3
    for verdict in found:
        assert f"- ✓ {verdict.text}" in text.replace("\\", "")
