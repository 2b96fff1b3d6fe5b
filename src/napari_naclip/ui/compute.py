"""What all widgets of a process share: compute slot, loaded model, rates.

The only state of this module's kind in the package. It is explicit so that
two viewers do not load a model twice or run at the same time, and so that a
run's time is known before it starts when another one was like it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_naclip.engine import hub, registry
from napari_naclip.engine.entry import CONFIG_FILE
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.typed_names import FOLDER_PREFIX
from napari_naclip.engine.types import Progress
from napari_naclip.io.folders import text_cache_folder
from napari_naclip.ui.estimate import RateBook

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from napari_naclip.engine.device import Precision
    from napari_naclip.engine.models import Model
    from napari_naclip.engine.types import Settings

#: Seconds between two looks at a slot that is taken.
_POLL_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Which model to run, where and how exactly.

    Attributes
    ----------
    name : str
        One of the registry, the demo, or one that was typed.
    weights : Path or None
        A file for the named architecture.
    device, precision : str
    may_download : bool
        Whether the person agreed to a download; it is no other model for it.
    activation : str
        ``'auto'``: the model's own.
    """

    name: str
    weights: Path | None = None
    device: str = 'auto'
    precision: Precision = 'auto'
    may_download: bool = field(default=False, compare=False)
    activation: str = 'auto'


class ComputeSlot:
    """Lets one run at a time compute, and keeps the last model loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._model: Model | None = None
        self._key: tuple[object, ...] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether a run waits: answers to small questions make way."""
        return self._waiting > 0

    @property
    def is_taken(self) -> bool:
        """Whether a run has the slot."""
        return self._lock.locked()

    def acquire(self) -> Generator[Progress, None, None]:
        """Yield progress until the slot is this run's."""
        with self._counting:
            self._waiting += 1
        try:
            while not self._lock.acquire(timeout=_POLL_INTERVAL):
                yield Progress('wait')
        finally:
            with self._counting:
                self._waiting -= 1

    def try_acquire(self) -> bool:
        """Wait shortly for the slot, behind all runs; return whether it came.

        Call again where it did not.
        """
        if self.is_wanted:
            time.sleep(_POLL_INTERVAL)
            return False
        return self._lock.acquire(timeout=_POLL_INTERVAL)

    def release(self) -> None:
        """Give the slot to the next run."""
        self._lock.release()

    def load(self, request: ModelRequest) -> Generator[Progress, None, Model]:
        """Yield progress and return the model; call within the slot."""
        yield Progress('import')
        iter_load_model = _import_loader()
        key = (
            request.name,
            *map(_file_identity, _changing_files(request)),
            request.device,
            request.precision,
            request.activation,
        )
        if self._model is None or self._key != key:
            # Room for the next model before it is loaded.
            self._model, self._key = None, None
            self._model = yield from iter_load_model(
                request.name,
                weights=request.weights,
                device=request.device,
                precision=request.precision,
                activation=request.activation,
                download=request.may_download,
                cache_folder=text_cache_folder(),
            )
            self._key = key
        return self._model


def _import_loader() -> Callable[..., Generator[Progress, None, Model]]:
    # Imported here, in the run's thread: this is what takes seconds.
    from napari_naclip.engine.models import iter_load_model

    return iter_load_model


def rate_key(model: ModelRequest, settings: Settings) -> tuple[object, ...]:
    """Return all that decides how long a window takes."""
    return (
        model,
        settings.window,
        settings.stride,
        settings.strategy,
        settings.architecture,
        settings.refine,
        settings.beyond,
    )


def _changing_files(request: ModelRequest) -> tuple[Path | None, ...]:
    """Return the files of a request that the person may replace."""
    if not request.name.startswith(FOLDER_PREFIX):
        return (request.weights,)
    with contextlib.suppress(ModelError):
        entry = registry.find_model(request.name)
        if entry.folder is not None:
            config = entry.folder / CONFIG_FILE
            return (request.weights or hub.find_cached(entry), config)
    return (request.weights,)  # loading says what is wrong


def _file_identity(path: Path | None) -> tuple[object, ...] | None:
    if path is None:
        return None
    with contextlib.suppress(OSError):
        status = path.stat()
        return (path, status.st_mtime_ns, status.st_size)
    return (path,)


@contextlib.contextmanager
def threads_left_for_window(reserved: int = 1) -> Iterator[None]:
    """Keep torch off some cores, so that the window stays quick."""
    import torch

    before = torch.get_num_threads()
    cores = (os.cpu_count() or 2) - reserved
    torch.set_num_threads(max(1, min(before, cores)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


#: The process's slot.
SLOT = ComputeSlot()
#: How fast the runs of this process were, by ``rate_key``.
RATES = RateBook()
