"""The options of ``rheon fit`` and ``score`` that say what images are to be made of pictures."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rheon.errors import RheonError

if TYPE_CHECKING:
    from rheon.images import Preparation
    from rheon.images.augment import Augmentation

_CROPS = ("center", "random", "none")


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Those of :class:`rheon.images.Preparation`.

    Args:
        size: pixels of the images, 32 or 48x64 (height × width); pictures keep theirs, and must agree, unless
            given.
        crop: center: the largest middle part, scaled down; random: pieces at random places, not scaled; none:
            all of it, scaled down.
        grey: makes pictures grey.
        colour: makes grey pictures colour ones of three equal channels.
        background: colour to lay transparent pictures over, which are left out without.
        strict: refuses the data for the first picture that would be left out.

    Raises:
        RheonError: a value is none of those, or grey and colour are both asked for.
    """

    size: str | int | None = None
    crop: Literal["center", "random", "none"] = "center"
    grey: bool = False
    colour: bool = False
    background: str | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        _sides(self.size)
        if self.crop not in _CROPS:
            raise RheonError(f"crop must be {', '.join(_CROPS)}, not {self.crop!r}")
        if not isinstance(self.background, str | None):
            raise RheonError(f"background must be a colour, not {self.background!r}")
        _check_switches(grey=self.grey, colour=self.colour, strict=self.strict)
        if self.grey and self.colour:
            raise RheonError("give --grey or --colour, not both")

    def preparation(self) -> "Preparation":
        """The same as the library takes it."""
        from rheon.images import Preparation

        colour = self.colour if self.grey or self.colour else None
        return Preparation(_sides(self.size), self.crop, colour, self.background, self.strict)


@dataclass(frozen=True, kw_only=True)
class Variety:
    """What training does to images.

    Args:
        flip: trains on images and their mirror images, left and right exchanged; measures on the images.
        shift: trains on images moved by up to so many pixels either way; measures on the images.

    Raises:
        RheonError: a value is none of those.
    """

    flip: bool = False
    shift: int | None = None

    def __post_init__(self) -> None:
        _check_switches(flip=self.flip)
        if self.shift is not None and (type(self.shift) is not int or self.shift < 1):
            raise RheonError(f"shift must be a whole number, at least 1, not {self.shift!r}")

    def augment(self) -> "tuple[Augmentation, ...]":
        """The same as the library takes it."""
        from rheon.images.augment import Flip, Shift

        return (Flip(),) * self.flip + ((Shift(self.shift),) if self.shift else ())


def _sides(size: str | int | None) -> tuple[int, int] | None:
    """(height, width)."""
    if size is None:
        return None
    height, cross, width = str(size).lower().partition("x")
    try:
        return int(height), int(width if cross else height)
    except ValueError:
        raise RheonError(f"{size!r} is no size; give 32, or 48x64 for height × width") from None


def _check_switches(**switches: object) -> None:
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise RheonError(f"{name} must be true or false, not {value!r}")


AS_THEY_ARE, NO_VARIETY = Pictures(), Variety()
