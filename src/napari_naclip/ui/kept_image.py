"""What planes that are kept were read from: there, refreshed, in view.

napari says that a layer has other pixels only where its array is another.
One that a script edits in place is refreshed, which also happens without any
edit; so that a refresh raises a doubt, and what answers looks again.
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_naclip.engine.errors import NaclipError
from napari_naclip.engine.types import Progress
from napari_naclip.layers.read import take_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from napari.components import ViewerModel

    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import Region
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.kept_live import KeptLive

_DOUBTS = itertools.count(1)


class Refreshes:
    """Notices that images of a viewer are refreshed; holds neither.

    napari refreshes them also where a slider or the camera moves, which is
    passed over.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    tell : callable
        Gets the arrays whose pixels may be others now, and the number of the
        doubt, which rises.
    """

    def __init__(
        self, viewer: ViewerModel, tell: Callable[[list[Any], int], object]
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._tell = tell
        #: Where images were looked at when they were last drawn.
        self._places: weakref.WeakKeyDictionary[Image, Any] = (
            weakref.WeakKeyDictionary()
        )
        self._hidden: weakref.WeakSet[Image] = weakref.WeakSet()

    def watch(self, snapshot: PlaneSnapshot) -> None:
        """Listen to the images that a snapshot reads."""
        viewer = self._viewer()
        for layer in () if viewer is None else viewer.layers:
            # napari's proxies of a layer are made anew each time.
            image = getattr(layer, '__wrapped__', layer)
            if (
                isinstance(image, Image)
                and image not in self._places
                and any(
                    one is other
                    for one in arrays_of(snapshot)
                    for other in _levels(image)
                )
            ):
                self._places[image] = self._place(image)
                image.events.set_data.connect(self._on_drawn)
                image.events.visible.connect(self._on_visible)

    def _place(self, image: Image) -> Any:
        viewer = self._viewer()
        if viewer is None:
            return None
        dims, ndim = viewer.dims, image.ndim
        shown = dims.displayed
        place = [dims.ndisplay, dims.order]
        place += [
            dims.point[axis]
            for axis in range(max(0, dims.ndim - ndim), dims.ndim)
            if axis not in shown
        ]
        if image.multiscale:
            # Drawn anew only where these change.
            place += [image.data_level, image.corner_pixels.tolist()]
        return place

    def _on_visible(self, event: Any) -> None:
        if not event.source.visible:
            self._hidden.add(event.source)

    def _on_drawn(self, event: Any) -> None:
        image = event.source
        place, before = self._place(image), self._places.get(image)
        self._places[image] = place
        was_hidden = image in self._hidden
        self._hidden.discard(image)
        arrays = _levels(image)
        if was_hidden:
            # A refresh is not told of meanwhile. To read all of what is not
            # in memory would be much for a click on an eye.
            arrays = [each for each in arrays if _is_in_memory(each)]
        elif place != before:
            return
        if arrays:
            self._tell(arrays, next(_DOUBTS))


def _levels(image: Image) -> list[Any]:
    return list(image.data) if image.multiscale else [image.data]


def _is_in_memory(array: Any) -> bool:
    return isinstance(array, np.ndarray)


def arrays_of(snapshot: PlaneSnapshot) -> list[Any]:
    """Return the arrays that a snapshot reads."""
    return [each.data for each in snapshot.channels] or [snapshot.data]


def is_as_seen(
    live: LiveSegmentation, snapshot: PlaneSnapshot
) -> Generator[Progress, None, bool]:
    """Yield progress; return whether what answers saw what is there now.

    To look costs little for arrays in memory. All others are taken for
    changed: whoever looks at them reads as much as who begins anew.
    """
    if not all(map(_is_in_memory, arrays_of(snapshot))):
        return False
    for _ in snapshot.find_limits():
        yield Progress('read')
    steps = live.features.seen.is_unchanged()
    try:
        while True:
            next(steps)
            yield Progress('read')
    except StopIteration as stop:
        is_same: bool = stop.value
        return is_same


def has_channels(kept: KeptLive, viewer: ViewerModel) -> bool:
    """Return whether all that a composed picture was made of is there."""
    there = [
        level
        for layer in viewer.layers
        if isinstance(layer, Image)
        for level in _levels(layer)
    ]
    return all(
        any(channel.data is each for each in there)
        for channel in kept.snapshot.channels
    )


def visible_part(kept: KeptLive, viewer: ViewerModel) -> Region | None:
    """Return what the canvas shows of a plane, in its pixels.

    None where that is not to be told.
    """
    own = kept.snapshot
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
