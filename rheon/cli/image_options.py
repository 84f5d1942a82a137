"""The options of ``rheon fit`` and ``score`` that say what images are to be made of pictures."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from rheon.cli.numbers import Count
from rheon.errors import RheonError

if TYPE_CHECKING:
    from rheon.images import Preparation
    from rheon.images.augment import Augmentation

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]


def _size(kind: Any, tokens: Any) -> tuple[int, int]:
    height, cross, width = tokens[0].value.lower().partition("x")
    try:
        return int(height), int(width if cross else height)
    except ValueError:
        raise ValueError(f'"{tokens[0].value}" is no size; give 32, or 48x64 for height × width.') from None


Size = Annotated[tuple[int, int], Parameter(converter=_size, n_tokens=1, accepts_keys=False)]


@Parameter(name="*", group="Pictures")
@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Those of :class:`rheon.images.Preparation`."""

    size: Size | None = None
    "Pixels of the images, 32 or 48x64 (height × width); pictures keep theirs, and must agree, unless given."
    crop: Literal["center", "random", "none"] = "center"
    "The largest middle part, scaled down; pieces at random places, not scaled; or all of it, scaled down."
    grey: Switch = False
    "Makes pictures grey."
    colour: Switch = False
    "Makes grey pictures colour ones of three equal channels."
    background: str | None = None
    "Colour to lay transparent pictures over, which are left out without."
    strict: Switch = False
    "Refuses the data for the first picture that would be left out."

    def preparation(self) -> "Preparation":
        """The same as the library takes it."""
        from rheon.images import Preparation

        if self.grey and self.colour:
            raise RheonError("give --grey or --colour, not both")
        colour = self.colour if self.grey or self.colour else None
        return Preparation(self.size, self.crop, colour, self.background, self.strict)


AS_THEY_ARE = Pictures()


@Parameter(name="*", group="Variety")
@dataclass(frozen=True, kw_only=True)
class Variety:
    """What training does to images."""

    flip: Switch = False
    "Trains on images and their mirror images, left and right exchanged; measures on the images."
    shift: Count | None = None
    "Trains on images moved by up to so many pixels either way; measures on the images."

    def augment(self) -> "tuple[Augmentation, ...]":
        """The same as the library takes it."""
        from rheon.images.augment import Flip, Shift

        return (Flip(),) * self.flip + ((Shift(self.shift),) if self.shift else ())


NO_VARIETY = Variety()
