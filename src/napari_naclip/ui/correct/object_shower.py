"""Objects that were found: into a layer and the table, and back to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.types import Region
from napari_naclip.layers.object_layer import ObjectLayer
from napari_naclip.layers.objects import go_to
from napari_naclip.ui.correct import finish_messages as messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.correct.finish_panel import FinishPanel
    from napari_naclip.ui.correct.finish_work import Objects

    Plane = tuple[int | slice, ...]


class ObjectShower:
    """Shows the objects of one panel.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    panel : FinishPanel
    """

    def __init__(self, viewer: ViewerModel, panel: FinishPanel) -> None:
        self._viewer = viewer
        self._panel = panel
        self._shown: ObjectLayer | None = None
        self._places: list[tuple[Plane, int, Region]] = []

    def show(self, result: Result, made: Objects) -> Iterator[None]:
        """Show objects in steps: napari draws between the long ones.

        They go into the layer of earlier ones of the same labels, beside
        those of other planes. What a person changed there is never replaced:
        they then get a new layer.

        Parameters
        ----------
        result : Result
        made : Objects
            At least one.
        """
        names = {value: row.name for value, row in result.rows.items()}
        parts = (self._viewer, made.ids, made.tables, names)
        shown = self._shown
        if shown is None or shown.labels != result.labels:
            is_beside = False
        else:
            is_beside = yield from shown.add(*parts)
        if result.labels not in self._viewer.layers:
            self._panel.say(messages.GONE)
            return
        if shown is None or not is_beside:
            shown = ObjectLayer(result.labels)
            yield from shown.show(*parts)
        self._shown = shown
        self._places = [
            (plane, int(number), Region(*map(int, box)))
            for plane, own in shown.tables
            for number, box in zip(own.ids, own.boxes, strict=True)
        ]
        yield
        self._panel.objects.table.show_columns(
            {
                {'index': 'object'}.get(title, title): cells
                for title, cells in shown.columns(names).items()
            }
        )
        if shown.layer is not None:
            self._panel.say(
                messages.describe_objects(len(self._places), shown.layer.name)
            )

    def go_to_row(self, row: int) -> None:
        """Look at the object of a row, unless its layer has gone."""
        layer = None if self._shown is None else self._shown.layer
        if layer is not None and layer in self._viewer.layers:
            go_to(self._viewer, layer, *self._places[row])
