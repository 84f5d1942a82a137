"""What the model directory of images says beside the architecture: a part of its config.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from rheon.errors import ModelError, RheonError
from rheon.images.classes import Classes
from rheon.images.preparation import AS_THEY_ARE, Preparation
from rheon.images.presets import check_dequantise, is_known


@dataclass(frozen=True)
class Facts:
    """As :class:`~rheon.images.ImageDensity` has them."""

    shape: tuple[int, int, int]
    layout: str
    levels: int | None
    alpha: float
    dequantise: str
    preparation: Preparation
    classes: Classes | None

    def config(self) -> dict[str, Any]:
        """The sections of config.json, of plain JSON values."""
        schema: dict[str, Any] = {"shape": list(self.shape), "layout": self.layout}
        if self.classes is not None:
            schema |= {"classes": list(self.classes.names), "class_counts": list(self.classes.counts)}
        preprocessing: dict[str, Any] = {"levels": self.levels, "alpha": self.alpha}
        if self.dequantise != "uniform":
            preprocessing["dequantise"] = self.dequantise
        if self.preparation != AS_THEY_ARE:
            of = asdict(replace(self.preparation, size=self.preparation.shape, strict=False))
            preprocessing["pictures"] = {
                name: list(v) if isinstance(v, tuple) else v for name, v in of.items()
            }
        return {"kind": "image", "preprocessing": preprocessing, "schema": schema}

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """What :meth:`config` gave, beside an architecture of images.

        Raises:
            ModelError: something is missing or is not allowed.
        """
        name = config["architecture"]["name"]
        if not is_known(name):
            raise ModelError(
                f"config.json names the architecture {name!r}, which this rheon does not have for images."
            )
        try:
            preprocessing, schema = config["preprocessing"], config["schema"]
            pictures = dict(preprocessing.get("pictures", {}))
            size = pictures.pop("size", None)
            dequantise = preprocessing.get("dequantise", "uniform")
            check_dequantise(dequantise, name)
            return cls(
                tuple(schema["shape"]),
                schema["layout"],
                preprocessing["levels"],
                preprocessing["alpha"],
                dequantise,
                Preparation(tuple(size) if isinstance(size, list) else size, **pictures),
                Classes(tuple(schema["classes"]), tuple(schema["class_counts"]))
                if "classes" in schema
                else None,
            )
        except (KeyError, TypeError) as error:
            raise ModelError(f"config.json of an image model lacks {error}.") from None
        except RheonError as error:
            raise ModelError(f"config.json of an image model: {error}") from None
