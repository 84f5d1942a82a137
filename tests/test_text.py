import pytest

from rheon.text import plain


@pytest.mark.parametrize(
    "hostile", ["\x1b[31mred", "a\nb", "a\rb", "bell\a", "back\b", "\x9b2J", "right\u202eleft", "nul\0"]
)
def test_nothing_that_a_terminal_obeys_is_left(hostile):
    shown = plain(hostile)
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == hostile  # and nothing is lost


def test_printable_text_stays():
    assert plain("<script> $x$ 密度 [red]é 'q'") == "<script> $x$ 密度 [red]é 'q'"


@pytest.mark.parametrize(("text", "most", "shown"), [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…")])
def test_long_text_is_cut(text, most, shown):
    assert plain(text, most) == shown
