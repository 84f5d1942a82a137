"""Text with one row a line: which character stands between the values, whether the first line names them.

The type of a column follows from all of its values: whole numbers, else numbers, else truth values, dates or
text. What was assumed is said.
"""

import csv as text_csv
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from rheon.errors import DataError
from rheon.tables.dates import as_dates

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""What stands for no value."""

_TOKENS = [blank + token for token in MISSING for blank in ("", " ")]
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_COMMA_NUMBER = r"^[+-]?\d+(,\d+)?([eE][+-]?\d+)?$"
_SEPARATORS = "\t;|,"
_HEAD = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """How a text of rows is written.

    ``delimiter`` between values; ``names`` of the columns; ``skip``: lines before the first row or the names;
    ``header``: whether the names stand in the text; ``notes``: what was assumed, for people.
    """

    delimiter: str
    names: tuple[str, ...]
    skip: int = 0
    header: bool = True
    notes: tuple[str, ...] = ()

    def read(self, content: bytes, types: dict[str, pa.DataType] | None = None) -> pa.Table:
        """The table; ``types`` of columns in place of what their values say."""
        first = self.skip + self.header
        return csv.read_csv(
            pa.BufferReader(_of_arrow(content)),
            csv.ReadOptions(
                column_names=list(self.names), skip_rows=self.skip, skip_rows_after_names=first - self.skip
            ),
            csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            csv.ConvertOptions(
                column_types=types,
                null_values=_TOKENS,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )


def _of_arrow(content: bytes) -> pa.Buffer:
    """The same bytes in Arrow's memory.

    The last to hold them may be a thread of Arrow's that outlives the reading, and letting go of an object of
    Python's while Python ends kills the process.
    """
    buffer = pa.allocate_buffer(len(content))
    pa.FixedSizeBufferWriter(buffer).write(content)
    return buffer


def read_delimited(content: bytes, where: str) -> tuple[pa.Table, Dialect]:
    """The table in a text, and how it was read.

    Raises:
        DataError: no text, no row, rows of different lengths, a column of numbers with a few words in it.
    """
    content, notes = _utf8(content, where)
    dialect = sniff(content, where)
    table = dialect.read(content)
    if not dialect.header:
        pass
    elif not table.num_rows and all(map(_is_number, dialect.names)):
        dialect = _nameless(dialect)
    elif _fits(dialect.names, table):
        dialect = _nameless(dialect)
        notes += ("the first line is a row, not names: it fits the columns",)
    if not dialect.header:
        table = dialect.read(content)
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        column, note = _refined(name, column, dialect.delimiter, where)
        columns.append(column)
        notes += (note,) if note else ()
    dialect = replace(dialect, notes=(*dialect.notes, *notes))
    return pa.table(columns, names=list(dialect.names)), dialect


def sniff(content: bytes, where: str) -> Dialect:
    """How the text is written, from its first megabyte; its first record taken for names."""
    head = content[:_HEAD].decode("utf-8", errors="ignore")
    if not head.strip():
        raise DataError(f"{where} is empty; expected a table")
    for delimiter in _SEPARATORS:
        records = list(islice(_records(head, delimiter), 50))
        widths = Counter(map(len, records[1:] or records))
        width, count = widths.most_common(1)[0]
        if width > 1 and count == sum(widths.values()):
            break
    else:
        line = next(filter(str.strip, head.splitlines()))
        delimiter = max(_SEPARATORS, key=line.count)
        records = list(islice(_records(head, delimiter), 50))
        width = len(records[0])
    notes: tuple[str, ...] = ()
    skip = 0
    if len(records) > 1 and len(records[0]) == 1 < width:
        skip, records = 1, records[1:]
        notes = ("the first line is left out: it is no row",)
    if delimiter != ",":
        notes += (f"values stand between {'tabs' if delimiter == chr(9) else repr(delimiter)}",)
    names = tuple(name.strip() or f"column {i + 1}" for i, name in enumerate(records[0]))
    return Dialect(delimiter, names, skip, True, notes)


def _records(head: str, delimiter: str) -> Any:
    lines = head.splitlines(keepends=True)
    whole = lines if len(head) < _HEAD // 2 else lines[:-1]
    reader = text_csv.reader(whole, delimiter=delimiter, skipinitialspace=True)
    try:
        yield from (record for record in reader if record)
    except text_csv.Error:
        return


def _nameless(dialect: Dialect) -> Dialect:
    return replace(dialect, header=False, names=tuple(f"x{i}" for i in range(len(dialect.names))))


def _fits(first: tuple[str, ...], body: pa.Table) -> bool:
    """Whether a record could stand in the table as a row like the others: then it names nothing."""
    texts, typed = [], []
    for cell, column in zip(first, body.columns, strict=True):
        if pa.types.is_string(column.type):
            texts.append(pc.any(pc.equal(pc.utf8_trim_whitespace(column), cell)).as_py() or cell in MISSING)
        elif not pa.types.is_null(column.type):
            typed.append(cell in MISSING or _fits_type(cell, column.type))
    if not all(typed):
        return False
    return any(texts) if typed and texts else all(texts) and bool(typed or texts)


def _fits_type(cell: str, kind: pa.DataType) -> bool:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _is_number(cell)
    try:
        pa.array([cell]).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _utf8(content: bytes, where: str) -> tuple[bytes, tuple[str, ...]]:
    if b"\0" in content[:_HEAD]:
        raise DataError(f"{where} is not UTF-8 text (it holds zero bytes); save it as CSV in UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode()
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
        return text.encode(), ("the text is not UTF-8 and was read as Windows-1252",)
    return content, ()


def _refined(
    name: str, column: pa.ChunkedArray, delimiter: str, where: str
) -> tuple[pa.ChunkedArray, str | None]:
    """A column of text without the blanks around it, or as the numbers that it is."""
    if not pa.types.is_string(column.type):
        return column, None
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.is_in(text, pa.array(MISSING)), pa.scalar(None, pa.string()), text)
    there = len(text) - text.null_count
    if not there:
        return text, None
    if delimiter != "," and _count(text, _COMMA_NUMBER) == there:
        numbers = pc.replace_substring(text, ",", ".").cast(pa.float64())
        return numbers, f"column {name!r} has commas for decimal points"
    dates = as_dates(text)
    if isinstance(dates, tuple):
        return dates[0], f"column {name!r} holds {dates[1]}"
    if dates:
        return text, f"column {name!r} is taken for text: {dates}; write dates as 2024-12-31"
    found = pc.fill_null(pc.match_substring_regex(text, _NUMBER), True)
    count = (pc.sum(found).as_py() or 0) - text.null_count
    if 0.9 * there < count < there:
        row = pc.index(found, False).as_py()
        raise DataError(
            f"{where}: column {name!r} holds numbers but for {there - count} values, the first of them "
            f"{text[row].as_py()!r} in row {row + 1}; correct them or remove those rows"
        )
    return text, None


def _count(text: pa.ChunkedArray, pattern: str) -> int:
    return pc.sum(pc.match_substring_regex(text, pattern)).as_py() or 0
