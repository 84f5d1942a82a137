"""x = rows: reading tables, :class:`TableDensity`."""

from rheon.tables.density import TableDensity
from rheon.tables.reading import Table, read_table
from rheon.tables.writing import write_table

__all__ = ["Table", "TableDensity", "read_table", "write_table"]
