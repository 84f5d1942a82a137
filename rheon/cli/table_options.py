"""The options of ``rheon fit`` that say what the columns of a table are, and which of them are given."""

from dataclasses import dataclass
from typing import Any

from rheon.errors import RheonError


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Those of :class:`rheon.TableDensity`.

    Args:
        schema: TOML file that says what columns are, as rheon schema DATA prints it; guessed unless given.
        given: names of columns, with commas between them; learns p(the others | these).

    Raises:
        RheonError: a value is no text.
    """

    schema: str | None = None
    given: str | None = None

    def __post_init__(self) -> None:
        for name in ("schema", "given"):
            value = getattr(self, name)
            if not (value is None or (isinstance(value, str) and value)):
                raise RheonError(f"{name} must be text, not {value!r}")

    def arguments(self) -> dict[str, Any]:
        """The same as the library takes it; empty where nothing is said."""
        said: dict[str, Any] = {} if self.schema is None else {"schema": self.schema}
        names = tuple(filter(None, (name.strip() for name in (self.given or "").split(","))))
        return said | ({"given": names} if names else {})


AS_GUESSED = Columns()
