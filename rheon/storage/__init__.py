"""A model on disk: a directory that appears whole or not at all, and is read with suspicion.

::

    digits.rheon/
        config.json         format version, kind, architecture by name and arguments, preprocessing, figures
        model.safetensors   every tensor, by name
        README.md, training.jsonl, pictures: for people; never read back as a model
        checkpoint/         while it is trained, then gone; what holds nothing else is refused as unfinished

Nothing in it names code or a path, and nothing is unpickled. What is read is bounded before anything of its
size is allocated: lengths, depth, types, shapes. Whatever is wrong is a :class:`~rheon.errors.ModelError`.
This room knows no architecture: a model gives :func:`load_module` the function that builds its module.
"""

from rheon.storage.building import check_tensors, load_module
from rheon.storage.format import CHECKPOINT, CONFIG, FORMAT_VERSION, KINDS, WEIGHTS
from rheon.storage.reading import is_unfinished, read_config, read_log, read_model
from rheon.storage.writing import settle, write_model

__all__ = [
    "CHECKPOINT",
    "CONFIG",
    "FORMAT_VERSION",
    "KINDS",
    "WEIGHTS",
    "check_tensors",
    "is_unfinished",
    "load_module",
    "read_config",
    "read_log",
    "read_model",
    "settle",
    "write_model",
]
