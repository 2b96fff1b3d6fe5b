"""Objects that were found: into a layer and the table, and back to a place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_naclip.engine.types import Region
from napari_naclip.layers.objects import go_to, make_columns, show_objects
from napari_naclip.ui.correct import finish_messages as messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_naclip.correct.objects import ObjectTable
    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.correct.finish_panel import FinishPanel
    from napari_naclip.ui.correct.finish_work import Objects

    Plane = tuple[int | slice, ...]


@dataclass(slots=True)
class _Shown:
    """The objects whose table is shown."""

    layer: Labels
    labels: Labels
    planes: list[Plane] = field(repr=False)
    numbers: list[int] = field(repr=False)
    boxes: npt.NDArray[np.int64] = field(repr=False)


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
        self._shown: _Shown | None = None

    def show(
        self, result: Result, made: Objects, table: ObjectTable
    ) -> Iterator[None]:
        """Show objects in steps: napari draws between the long ones.

        Parameters
        ----------
        result : Result
        made : Objects
        table : ObjectTable
            Of all planes, at least one object.
        """
        columns = make_columns(
            result.labels,
            made.tables,
            {value: row.name for value, row in result.rows.items()},
        )
        yield
        if result.labels not in self._viewer.layers:
            self._panel.say(messages.GONE)
            return
        shown = self._shown
        if shown is not None and shown.labels != result.labels:
            shown = None
        layer = show_objects(
            self._viewer,
            result.labels,
            made.ids,
            columns,
            None if shown is None else shown.layer,
        )
        self._shown = _Shown(
            layer,
            result.labels,
            [plane for plane, own in made.tables for _ in range(len(own))],
            table.ids.tolist(),
            table.boxes,
        )
        yield
        self._panel.objects.table.show_columns(
            {
                {'index': 'object'}.get(title, title): cells
                for title, cells in columns.items()
            }
        )
        self._panel.say(messages.describe_objects(len(table), layer.name))

    def go_to_row(self, row: int) -> None:
        """Look at the object of a row, unless its layer has gone."""
        shown = self._shown
        if shown is not None and shown.layer in self._viewer.layers:
            go_to(
                self._viewer,
                shown.layer,
                shown.planes[row],
                shown.numbers[row],
                Region(*map(int, shown.boxes[row])),
            )
