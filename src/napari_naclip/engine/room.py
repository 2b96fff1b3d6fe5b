"""Where the image tower runs and how much at once, as memory allows.

Each run begins as was asked; what did not fit then holds to its end.
"""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import torch

from napari_naclip.engine import batches
from napari_naclip.engine.device import empty_caches
from napari_naclip.engine.errors import OutOfMemoryError
from napari_naclip.engine.features import Making

if TYPE_CHECKING:
    from napari_naclip.engine.models import Model

_logger = logging.getLogger(__name__)


class Room:
    """The room that the image tower of a model finds.

    Parameters
    ----------
    model : Model

    Attributes
    ----------
    notices : list of str
        What happened that the person should know, a sentence each.
    """

    def __init__(self, model: Model) -> None:
        self.notices: list[str] = []
        self._model = model
        self._is_ready = False
        #: What a lack of memory made of the batch size.
        self._size: int | None = None

    def start(self) -> None:
        """Begin where the model was asked to run, whatever happened before."""
        self._is_ready = False
        self._size = None

    def batch_size(self, wanted: int, before: Making | None) -> int:
        """Return how many windows are run at once.

        Parameters
        ----------
        wanted : int
            As many as it would be with room for all.
        before : Making or None
            How the same windows were run before, if not as was asked.
        """
        size = wanted if self._size is None else self._size
        return size if before is None else min(size, before.size)

    def making(self, wanted: int, size: int) -> Making | None:
        """Return how batches of a size are run now; None: as was asked."""
        tower = self._model.tower
        if size == wanted and self._is_as_asked:
            return None
        return Making(size, tower.device.type, tower.dtype)

    def go_where(self, before: Making | None) -> None:
        """Have the tower where it ran before, or as was asked."""
        model, tower = self._model, self._model.tower
        if before is not None and before.device != model.device.type:
            place = tower.device.type, tower.dtype
            if place != (before.device, before.dtype):
                tower.to(torch.device(before.device), before.dtype)
                self._is_ready = False
        elif not self._is_ready:
            self._return()
            self._is_ready = True

    def shrink(self, size: int, error: BaseException) -> None:
        """Take smaller batches than one of a size, on the CPU if need be.

        Raises
        ------
        OutOfMemoryError
            If there is no room for one window on the CPU.
        """
        tower = self._model.tower
        # The frames of the failed attempt hold its tensors until here.
        error.__traceback__ = None
        gc.collect()
        empty_caches()
        if size > 1:
            self.notify(
                f'{tower.device.type.upper()} memory was too small for '
                f'{size} windows at once; {size // 2} were used.'
            )
            self._size = size // 2
            return
        if tower.device.type != 'cpu':
            self.notify(
                f'{tower.device.type.upper()} memory was too small for one '
                'window; the CPU was used, which is slower. Close other '
                'programs that use the device, or choose a smaller window.'
            )
            tower.to(torch.device('cpu'), torch.float32)
            self._size = 1
            return
        raise OutOfMemoryError(
            'There is not enough memory for one window. Close other '
            'programs, or choose a smaller window or detail.'
        ) from error

    @property
    def _is_as_asked(self) -> bool:
        model, tower = self._model, self._model.tower
        return (tower.device, tower.dtype) == (model.device, model.dtype)

    def _return(self) -> None:
        """Start where the model was asked to run, whatever happened last."""
        if self._is_as_asked:
            return
        model, tower = self._model, self._model.tower
        try:
            tower.to(model.device, model.dtype)
        except RuntimeError as error:
            if not batches.is_out_of_memory(error):
                raise
            self.notify(
                f'{model.device.type.upper()} memory is still too small for '
                'the model; the CPU was used, which is slower. Close other '
                'programs that use the device.'
            )
            tower.to(torch.device('cpu'), torch.float32)

    def notify(self, text: str) -> None:
        """Note what the person should know, once."""
        _logger.info(text)
        if text not in self.notices:
            self.notices.append(text)
