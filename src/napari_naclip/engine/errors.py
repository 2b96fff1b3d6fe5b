"""The errors that a person may see: each says what, why and what to do.

Everything the engine raises on purpose is a ``NaclipError`` whose text is fit
to be shown as it stands. ``TypeError`` and ``ValueError`` outside this tree
mean a mistake in the calling program.
"""

from __future__ import annotations


class NaclipError(Exception):
    """Base of all errors whose text is written for the person at the desk."""


class InputError(NaclipError, ValueError):
    """An image, a class list or a setting that cannot be used."""


class BlankImageError(InputError):
    """An image in which nothing can be told apart: one value, or none."""


class ModelError(NaclipError):
    """A model that is unknown, or that NACLIP cannot run on."""


class WeightsError(NaclipError):
    """Weights that are missing, broken, foreign, or not safe to open."""


class WeightsMissingError(WeightsError):
    """Weights that are not on this machine and that nobody asked to download.

    Attributes
    ----------
    model : str
        Name of the model in the registry.
    size : int
        Bytes of the whole file, about, unless a part of it is here.
    present : int
        Bytes of it that an earlier download left on this machine.
    """

    def __init__(
        self, message: str, *, model: str, size: int, present: int = 0
    ) -> None:
        super().__init__(message)
        self.model = model
        self.size = size
        self.present = present


class NetworkError(NaclipError):
    """A download that could not start or did not finish."""


class DeviceError(NaclipError):
    """A device that is not there or that torch cannot use."""


class OutOfMemoryError(NaclipError):
    """Too little memory even for the smallest batch on the CPU."""


class StorageError(NaclipError):
    """A file that cannot be read or written: no room, no right, or in the way."""


class LicenseWarning(UserWarning):
    """The license of what will be downloaded forbids something."""
