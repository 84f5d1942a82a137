"""x = rows: reading tables, :class:`TableDensity`."""

from rheon.tables.density import TableDensity
from rheon.tables.guessing import guess
from rheon.tables.imputed import Imputed
from rheon.tables.reading import Table, read_table
from rheon.tables.schema import Column, Schema
from rheon.tables.streaming import StreamedTable, open_table, read_in_parts
from rheon.tables.writing import write_table, writing

__all__ = [
    "Column",
    "Imputed",
    "Schema",
    "StreamedTable",
    "Table",
    "TableDensity",
    "guess",
    "open_table",
    "read_in_parts",
    "read_table",
    "write_table",
    "writing",
]
