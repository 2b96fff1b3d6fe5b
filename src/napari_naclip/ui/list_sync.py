"""The class table and the Labels layers in step, in both directions.

One result at a time is the one whose list the table shows: the one that a run
wrote last, or whose layer was selected. What is renamed or recolored in the
table changes on its layer at once, and the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.io.last_list import save_last
from napari_naclip.layers.areas import class_areas, shown_plane
from napari_naclip.layers.sync import (
    AppearanceWatcher,
    apply_appearance,
    read_list,
    store_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.results import ResultBook

#: Milliseconds after the last change until the list is saved, areas counted.
_DELAY = 400


class ListSync(QObject):
    """Keeps the class table and the shown result alike.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    panel : ClassPanel
    book : ResultBook
    parent : QObject
    """

    def __init__(
        self,
        viewer: ViewerModel,
        panel: ClassPanel,
        book: ResultBook,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._panel = panel
        self._book = book
        self._result: Result | None = None
        self._watcher: AppearanceWatcher | None = None
        self._save_timer = self._make_timer(self._save)
        self._area_timer = self._make_timer(self._show_areas)
        panel.appearance_changed.connect(self._on_table_appearance)
        panel.state_changed.connect(self._on_table_changed)
        viewer.layers.selection.events.active.connect(self._on_active_layer)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.dims.events.current_step.connect(self._on_labels_changed)

    def _make_timer(self, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(_DELAY)
        timer.timeout.connect(slot)
        return timer

    @property
    def result(self) -> Result | None:
        """The result whose list the table shows."""
        return self._result

    def look(self) -> None:
        """Take over what napari changed without an event."""
        if self._watcher is not None:
            self._watcher.look()

    def follow(self, result: Result | None) -> None:
        """Make a result the one that is kept in step; areas are counted."""
        if result is not self._result:
            self._let_go()
            self._result = result
            if result is not None:
                self._watcher = AppearanceWatcher(
                    self._viewer, result, self._on_color, self._on_name
                )
                result.labels.events.set_data.connect(self._on_labels_changed)
        self._area_timer.start()

    def close(self) -> None:
        """Stop listening, for a panel that was closed."""
        self._let_go()
        self._area_timer.stop()
        if self._save_timer.isActive():
            self._save_timer.stop()
            self._save()
        viewer = self._viewer
        viewer.layers.selection.events.active.disconnect(self._on_active_layer)
        viewer.layers.events.removed.disconnect(self._on_layer_removed)
        viewer.dims.events.current_step.disconnect(self._on_labels_changed)

    def _let_go(self) -> None:
        if self._watcher is not None:
            self._watcher.disconnect()
            self._watcher = None
        if self._result is not None:
            events = self._result.labels.events
            events.set_data.disconnect(self._on_labels_changed)
        self._result = None

    def _on_active_layer(self, _event: object = None) -> None:
        active = self._viewer.layers.selection.active
        if not isinstance(active, Labels) or read_list(active) is None:
            return
        result = self._book.find_by_labels(self._viewer, active)
        if result is None or result is self._result:
            return
        content = read_list(active)
        try:
            state = ListState.from_dict(content or {})
        except InputError:
            return
        # First the table, so that its change is not taken to the old layer.
        self._let_go()
        if state != self._panel.state():
            self._panel.restore_state(state, active.name)
        self.follow(result)

    def _on_layer_removed(self, _event: object = None) -> None:
        result = self._result
        if result is not None and result.labels not in self._viewer.layers:
            self.follow(None)

    def _on_color(self, value: int, color: str) -> None:
        self._panel.recolor_value(value, color)
        self._keep_list()

    def _on_name(self, value: int, name: str) -> None:
        try:
            self._panel.rename_value(value, name)
        except InputError:
            # The list cannot have it: the layer gets the old name back.
            self._on_table_appearance()
        self._keep_list()

    def _on_table_appearance(self) -> None:
        result = self._result
        if result is not None:
            known = result.rows
            rows = [r for r in self._panel.rows() if r.value in known]
            apply_appearance(result, rows)

    def _on_table_changed(self) -> None:
        self._keep_list()
        self._save_timer.start()

    def _keep_list(self) -> None:
        if self._result is not None:
            store_list(self._result.labels, self._panel.state().to_dict())

    def _on_labels_changed(self, _event: object = None) -> None:
        self._area_timer.start()

    def _show_areas(self) -> None:
        result, areas = self._result, {}
        if result is not None:
            plane = shown_plane(result.labels, self._viewer)
            if plane is not None:
                areas = class_areas(result, plane)
        self._panel.set_areas(areas)

    def _save(self) -> None:
        try:
            save_last(self._panel.state())
        except StorageError as error:
            self._panel.tell(str(error))
