"""``rheon schema``: what the columns of a table are."""

from rheon.cli.paths import check_data
from rheon.errors import RheonError


def schema(data: str, /) -> None:
    """Prints what the columns of a table are taken for, as TOML to edit and to give to fit.

    Args:
        data: A table, as fit takes it.
    """
    check_data(data)

    from rheon.cli.data import read
    from rheon.tables import Table, guess
    from rheon.tables.editing import to_toml

    found = read(data).content
    if not isinstance(found, Table):
        raise RheonError(f"{data} is images; give a table")
    print(to_toml(guess(found.data)), end="")
