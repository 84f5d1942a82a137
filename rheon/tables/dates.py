"""Dates as people write them, 24.12.2024 or 12/24/2024 18:30: a whole column says which number is the day."""

import pyarrow as pa
import pyarrow.compute as pc

_LIKE_DATES = r"^\d{1,2}([./-])\d{1,2}[./-]\d{4}( \d{1,2}:\d{2}(:\d{2})?)?$"
_ORDERS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")
_TIMES = ("", " %H:%M", " %H:%M:%S")


def as_dates(text: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str] | str | None:
    """A column of text as the dates that it is, and how they were read.

    With points the day comes first, as everywhere where dates have points. With strokes either may: one of
    the orders must be ruled out by some row (13/2 has the day first).

    Returns:
        The dates and a word on their order; that word alone where the column could be read both ways; None
        where these are no dates.
    """
    there = len(text) - text.null_count
    if not there or pc.sum(pc.match_substring_regex(text, _LIKE_DATES)).as_py() != there:
        return None
    first = text.drop_null()[0].as_py()
    separator = next(character for character in first if not character.isdigit())
    orders = [order.format(separator) for order in _ORDERS][: 1 if separator == "." else 2]
    read = [dates for order in orders if (dates := _read(text, order, there)) is not None]
    if not read:
        return None
    if len(read) == 2 and not read[0].equals(read[1]):
        return "day or month first, no row tells"
    return read[0], f"dates, {'day' if _read(text, orders[0], there) is not None else 'month'} first"


def _read(text: pa.ChunkedArray, order: str, there: int) -> pa.ChunkedArray | None:
    """The dates by a format, if all values have it and are dates of the calendar."""
    for time in _TIMES:
        dates = pc.strptime(text, format=order + time, unit="s", error_is_null=True)
        if len(dates) - dates.null_count == there and _written(dates, order, text):
            return dates if time else dates.cast(pa.date32())
    return None


def _written(dates: pa.ChunkedArray, order: str, text: pa.ChunkedArray) -> bool:
    """Whether the dates have the days that are written: the 30th of February is none in March."""
    place = 0 if order.startswith("%d") else 1
    numbers = pc.list_element(pc.split_pattern_regex(text, r"[./-]"), place).cast(pa.int64())
    return bool(pc.all(pc.equal(pc.day(dates), numbers)).as_py())
