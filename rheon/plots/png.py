"""A matplotlib figure, drawn without a window and without global state, as the bytes of a PNG file."""

import io
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image


def png(picture: "Figure | Image") -> bytes:
    """The PNG file of a figure or of a Pillow image, with no date in it: the same picture, the same bytes."""
    stream = io.BytesIO()
    if hasattr(picture, "savefig"):
        with warnings.catch_warnings():
            # A column name in a script that the font lacks is drawn as boxes: no reason to speak up.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            picture.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    else:
        picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
