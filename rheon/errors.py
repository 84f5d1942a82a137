"""What rheon says when something is wrong with what it was given.

Every error a user can cause is a :class:`RheonError`: it names the argument, what came, what was expected,
and what to do. It is a ``ValueError``, so code that guards against bad values already catches it.
"""


class RheonError(ValueError):
    """Wrong input or wrong use."""


class DataError(RheonError):
    """The data cannot be read, or are not what a density can be learned from."""


class SaveError(RheonError):
    """What was learned could not be saved: the disk is full, read-only or gone."""


class ModelError(RheonError):
    """A model directory is damaged, foreign, hostile or from a later version."""
