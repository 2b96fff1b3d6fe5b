"""Which Labels layer holds the result of which image, in one viewer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari.layers import Image, Labels

from napari_naclip.engine.classes import name_key
from napari_naclip.layers.adoption import adopt_result
from napari_naclip.layers.labels import Result, accepts
from napari_naclip.layers.maps import is_map

if TYPE_CHECKING:
    from collections.abc import Iterable

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

    def find(self, viewer: ViewerModel, image: Image) -> Result | None:
        """Return the newest result of an image that is still there."""
        self._sweep(viewer)
        found = (r for r in reversed(self._results) if r.image == image)
        return next(found, None)

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
    ) -> Result | None:
        """Return the result that a run may update, or None for a new one.

        A layer of another shape has no place for the plane, and one in which
        a label value stands for another class would mix up the two.

        Parameters
        ----------
        rows : iterable of TextClass or ClassRow
            Of the whole list, those that are off too: all of them are kept
            in step with the layer.
        """
        result = self.find(viewer, image)
        if result is None or not accepts(result, snapshot):
            return None
        for row in rows:
            other = result.rows.get(row.value)
            if other is not None and name_key(other.name) != name_key(
                row.name
            ):
                return None
        return result

    def _sweep(self, viewer: ViewerModel) -> None:
        self._results = [
            result
            for result in self._results
            if result.labels in viewer.layers
            and (result.image is None or result.image in viewer.layers)
        ]
