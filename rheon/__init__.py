"""rheon: exact density models by coupling normalizing flows.

log p(x) = log p_Z(f(x)) + log |det ∂f/∂x (x)|
"""

import importlib
from typing import TYPE_CHECKING, Any

from rheon.errors import DataError, DivergedError, ModelError, RheonError

if TYPE_CHECKING:
    from rheon import (
        architectures,
        bijections,
        conditioners,
        datasets,
        distributions,
        elementwise,
        estimators,
        evaluation,
        images,
        memory,
        partitions,
        plots,
        reports,
        storage,
        tables,
        training,
    )
    from rheon.checks import check
    from rheon.estimators import FlowDensity, FlowOutlierDetector, FlowTransformer
    from rheon.evaluation import check_flow
    from rheon.flow import Flow
    from rheon.images import ImageDensity
    from rheon.models import fit, load
    from rheon.tables import TableDensity

_PLACES = {
    "Flow": "rheon.flow",
    "FlowDensity": "rheon.estimators",
    "FlowOutlierDetector": "rheon.estimators",
    "FlowTransformer": "rheon.estimators",
    "ImageDensity": "rheon.images",
    "TableDensity": "rheon.tables",
    "check": "rheon.checks",
    "check_flow": "rheon.evaluation",
    "fit": "rheon.models",
    "load": "rheon.models",
}
_ROOMS = (
    "architectures",
    "bijections",
    "conditioners",
    "datasets",
    "distributions",
    "elementwise",
    "estimators",
    "evaluation",
    "images",
    "memory",
    "partitions",
    "plots",
    "reports",
    "storage",
    "tables",
    "training",
)

__all__ = [
    "DataError",
    "DivergedError",
    "Flow",
    "FlowDensity",
    "FlowOutlierDetector",
    "FlowTransformer",
    "ImageDensity",
    "ModelError",
    "RheonError",
    "TableDensity",
    "architectures",
    "bijections",
    "check",
    "check_flow",
    "conditioners",
    "datasets",
    "distributions",
    "elementwise",
    "estimators",
    "evaluation",
    "fit",
    "images",
    "load",
    "memory",
    "partitions",
    "plots",
    "reports",
    "storage",
    "tables",
    "training",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: `import rheon` and the command's help stay free of torch.
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"rheon.{name}")
    raise AttributeError(f"module 'rheon' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, *_ROOMS})
