"""The planes that a viewer's last runs looked at, ready to answer again.

What answers holds the picture as the model saw it and how each pixel was
decided, so that only the last few are kept, and none whose image or labels
have gone.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_naclip.engine.errors import NaclipError
from napari_naclip.layers.read import take_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from napari.components import ViewerModel

    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import ClassList, Region, Settings
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.compute import ModelRequest
    from napari_naclip.ui.jobs import Finished, RunRequest
    from napari_naclip.ui.live import LiveUpdater

#: Planes or regions that are kept, and their pixels together, at most.
_MOST_KEPT = 8
_MOST_PIXELS = 2**25


@dataclass(frozen=True, slots=True)
class Shown:
    """What labels were asked for."""

    classes: ClassList
    settings: Settings
    locked: frozenset[int]


@dataclass(slots=True, eq=False)
class KeptLive:
    """A plane or region that a run looked at.

    Attributes
    ----------
    live : LiveSegmentation
        Used by one thread at a time.
    snapshot : PlaneSnapshot
    result : Result
        Where its labels go.
    request : RunRequest
    settings : Settings
        Of the run, as the snapshot adapts them.
    owner : weakref to LiveUpdater
        Of the panel that ran: another one of the viewer leaves it alone.
    shown : Shown or None
        What the labels in the layer are; None: unfinished.
    """

    live: LiveSegmentation = field(repr=False)
    snapshot: PlaneSnapshot
    result: Result
    request: RunRequest
    settings: Settings
    owner: weakref.ref[LiveUpdater]
    shown: Shown | None

    @property
    def pixels(self) -> int:
        """How many pixels it labels."""
        region = self.snapshot.region
        rows, columns = self.snapshot.size if region is None else region.size
        return rows * columns


class LiveBook:
    """What can answer again in one viewer; does not hold the viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._kept: list[KeptLive] = []
        viewer.layers.events.removed.connect(self._on_layer_removed)
        _BOOKS.add(self)

    def __len__(self) -> int:
        return len(self._kept)

    def add(
        self,
        request: RunRequest,
        finished: Finished,
        result: Result,
        locked: frozenset[int],
        owner: LiveUpdater,
    ) -> None:
        """Keep what a run made; it takes the place of older ones."""
        if finished.live is None:
            return
        plane = finished.snapshot.index
        self._drop(
            lambda kept: (
                kept.result is result
                and kept.snapshot.index == plane
                and kept.request is not request
            )
        )
        settings = finished.snapshot.adapt(request.settings)
        self._kept.append(
            KeptLive(
                live=finished.live,
                snapshot=finished.snapshot,
                result=result,
                request=request,
                settings=settings,
                owner=weakref.ref(owner),
                shown=Shown(request.classes, settings, locked),
            )
        )
        request.image.events.data.connect(self._on_image_replaced)
        while len(self._kept) > 1 and (
            len(self._kept) > _MOST_KEPT
            or sum(kept.pixels for kept in self._kept) > _MOST_PIXELS
        ):
            self._kept.pop(0)

    def find(
        self, result: Result, plane: tuple[int | slice, ...]
    ) -> tuple[KeptLive, ...]:
        """Return what answers for a plane of a result.

        Parameters
        ----------
        result : Result
        plane : tuple of int or slice
            See ``PlaneSnapshot.index``.
        """
        return tuple(
            kept
            for kept in self._kept
            if kept.result is result and kept.snapshot.index == plane
        )

    def keep_model(self, model: ModelRequest) -> None:
        """Drop what would keep another model loaded beside a wanted one."""
        self._drop(lambda kept: kept.request.model != model)

    def clear(self) -> None:
        """Drop all."""
        self._kept.clear()

    def _drop(self, is_gone: Callable[[KeptLive], bool]) -> None:
        self._kept = [kept for kept in self._kept if not is_gone(kept)]

    def _on_layer_removed(self, event: Any) -> None:
        layer = event.value
        self._drop(
            lambda kept: layer in (kept.result.image, kept.result.labels)
        )

    def _on_image_replaced(self, event: Any) -> None:
        image = event.source
        self._drop(lambda kept: kept.result.image == image)


_BOOKS: weakref.WeakSet[LiveBook] = weakref.WeakSet()


def keep_model(model: ModelRequest) -> None:
    """Drop what would keep other models loaded, in all viewers."""
    for book in list(_BOOKS):
        book.keep_model(model)


def visible_part(kept: KeptLive, viewer: ViewerModel) -> Region | None:
    """Return what the canvas shows of a plane, in pixels of what is read.

    None where that is not to be told.
    """
    own = kept.snapshot
    if own.is_cut:
        return None
    try:
        (seen,) = take_snapshots(
            kept.request.image,
            viewer,
            kept.request.settings,
            scope='visible',
            has_masks=False,
        )
    except NaclipError:
        return None
    if (seen.level, seen.is_transposed) != (own.level, own.is_transposed):
        return None
    return seen.region
