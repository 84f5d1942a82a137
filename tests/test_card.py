"""The model card says what the config says, and text from users stays text."""

from rheon.card import card

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


def test_markup_and_pipes_in_names_are_escaped():
    text = card(CONFIG, "m.rheon")
    assert "<script>" not in text
    assert "text \\| pipe" in text
