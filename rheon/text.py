"""Text from elsewhere, shown as text: names of columns and files never steer a terminal."""


def plain(text: object, most: int | None = None) -> str:
    r"""One printable line: what a terminal would obey is spelled out, what is longer than ``most`` is cut.

    >>> plain("a\x1b[31mred\nline")
    'a\\x1b[31mred\\nline'
    >>> plain("a very long name", most=10)
    'a very lo…'
    """
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text)
    )
    return shown if most is None or len(shown) <= most else f"{shown[: most - 1]}…"
