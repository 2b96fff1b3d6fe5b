"""Which Labels layer holds the result of which image, in one viewer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from napari_naclip.engine.classes import name_key
from napari_naclip.layers.adoption import adopt_result
from napari_naclip.layers.labels import Result, accepts
from napari_naclip.layers.maps import is_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.layers.sync import Row
    from napari_naclip.ui.list_sync import ListSync


class ResultBook:
    """The results of a viewer; layers are held by reference, never by name.

    It does not hold the viewer, which holds it.

    Attributes
    ----------
    watchers : weakref.WeakSet of ListSync
        Of the panels of the viewer: two may show the list of one result.
    """

    def __init__(self) -> None:
        self.watchers: weakref.WeakSet[ListSync] = weakref.WeakSet()
        self._results: list[Result] = []

    def add(self, result: Result) -> None:
        """Take in a new result."""
        self._results.append(result)

    def forget(self, result: Result) -> None:
        """Drop a result."""
        self._results = [each for each in self._results if each is not result]

    def forget_layer(self, event: Any) -> None:
        """Drop the results of a layer that was removed from its viewer.

        Their labels would stay in memory until a result is looked for.
        """
        layer = event.value
        self._results = [
            result
            for result in self._results
            if layer not in (result.image, result.labels)
        ]

    def prefer(self, result: Result) -> None:
        """Note which result is shown now: it counts as the newest."""
        if result in self._results:
            self.forget(result)
            self.add(result)

    def find(self, viewer: ViewerModel, image: Image) -> Result | None:
        """Return the result of an image that was shown or made last."""
        return next(self._find_all(viewer, image), None)

    def find_by_labels(
        self,
        viewer: ViewerModel,
        layer: Layer | None,
        preferred: Image | None = None,
    ) -> Result | None:
        """Return the result that a Labels layer holds.

        A layer that carries a class list, such as one that was opened from a
        file, becomes a result of the image that it lies on: of the preferred
        one if that is among several. One that lies on no image, because that
        was removed, becomes a result without an image.
        """
        if not isinstance(layer, Labels):
            return None
        self._sweep(viewer)
        known = next((r for r in self._results if r.labels == layer), None)
        if known is not None and known.image is not None:
            return known
        images = [
            x
            for x in reversed(viewer.layers)
            if isinstance(x, Image) and not is_map(x)
        ]
        if preferred in images:
            images.insert(0, preferred)
        for image in images:
            adopted = adopt_result(image, layer)
            if adopted is not None:
                if known is not None:
                    self.forget(known)
                self.add(adopted)
                return adopted
        if known is None:
            known = adopt_result(None, layer)
            if known is not None:
                self.add(known)
        return known

    def find_target(
        self,
        viewer: ViewerModel,
        image: Image,
        snapshot: PlaneSnapshot,
        rows: Iterable[Row],
        shown: Result | None,
    ) -> Result | None:
        """Return the result that a run may update, or None for a new one.

        Parameters
        ----------
        rows : iterable of TextClass or ClassRow
            Of the whole list, those that are off too: all of them are kept
            in step with the layer.
        shown : Result or None
            The one whose list the table shows, which comes first. Only where
            the plane has no place in it another is looked for: in one that
            merely is like it, such as a backup, nothing may change.
        """
        found = list(self._find_all(viewer, image))
        found.sort(key=lambda result: result is not shown)
        for result in found:
            if accepts(result, snapshot):
                is_fit = may_update(result, snapshot, rows)
                return result if is_fit else None
        return None

    def _find_all(self, viewer: ViewerModel, image: Image) -> Iterator[Result]:
        self._sweep(viewer)
        return (r for r in reversed(self._results) if r.image == image)

    def _sweep(self, viewer: ViewerModel) -> None:
        self._results = [
            result
            for result in self._results
            if result.labels in viewer.layers
            and (result.image is None or result.image in viewer.layers)
        ]


def may_update(
    result: Result, snapshot: PlaneSnapshot, rows: Iterable[Row]
) -> bool:
    """Return whether a plane's labels may be written into a result.

    A layer of another shape has no place for the plane, and one in which a
    label value stands for another class would mix up the two.

    Parameters
    ----------
    rows : iterable of TextClass or ClassRow
        Of the whole list.
    """
    known = result.rows
    return accepts(result, snapshot) and all(
        name_key(known[row.value].name) == name_key(row.name)
        for row in rows
        if row.value in known
    )
