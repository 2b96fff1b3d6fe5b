"""What a person is told of work that failed."""

from __future__ import annotations

import logging

from napari_naclip.engine.errors import NaclipError

_logger = logging.getLogger(__name__)


def describe_failure(
    error: Exception, *, no_memory: str, unexpected: str
) -> str:
    """Return what to tell; what nobody expected is logged.

    Parameters
    ----------
    error : Exception
    no_memory, unexpected : str
        Texts for these kinds; the second with a place for the error. The
        project's own errors say themselves what to do.
    """
    match error:
        case NaclipError():
            return str(error)
        case MemoryError():
            return no_memory
        case _:
            _logger.error('work of the panel failed', exc_info=error)
            return unexpected.format(error)
