"""The class table and the Labels layers in step, in both directions.

One result at a time is the one whose list the table shows: the one that a run
wrote last, or whose layer was selected. What is renamed or recolored in the
table changes on its layer at once, and the other way round. It is let go when
another image is chosen: what is typed then is meant for that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.io.last_list import save_last
from napari_naclip.layers.areas import count_areas, shown_plane
from napari_naclip.layers.sync import (
    AppearanceWatcher,
    apply_appearance,
    read_list,
    store_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.components import ViewerModel
    from napari.layers import Image

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

    Signals
    -------
    image_meant(Image)
        A person selected the result of this image.
    followed(Result)
        The result that the table shows is another; None: it shows none.
    """

    image_meant = Signal(object)
    followed = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        panel: ClassPanel,
        book: ResultBook,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._image: Image | None = None
        self._counting: Generator[None, None, dict[int, str]] | None = None
        self._viewer = viewer
        self._panel = panel
        self._book = book
        self._result: Result | None = None
        self._watcher: AppearanceWatcher | None = None
        self._save_timer = self._make_timer(self._save, _DELAY)
        self._area_timer = self._make_timer(self._start_areas, _DELAY)
        self._count_timer = self._make_timer(self._go_on_counting, 0)
        panel.appearance_changed.connect(self._on_table_appearance)
        panel.state_changed.connect(self._on_table_changed)
        viewer.layers.selection.events.active.connect(self._on_active_layer)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.dims.events.current_step.connect(self._on_labels_changed)
        book.watchers.add(self)
        self._on_active_layer()

    def _make_timer(self, slot: Callable[[], None], delay: int) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(delay)
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

    def look_at(self, image: Image | None) -> None:
        """Note which image is chosen: the table is for its result now.

        That result is followed if it has the very list that is shown; any
        other is left as it is.
        """
        if image == self._image:
            return
        self._image = image
        result = self._result
        if image is None or (result is not None and result.image == image):
            return
        found = self._book.find(self._viewer, image)
        if found is not None and (
            _kept_list(found.labels) != self._panel.state()
        ):
            found = None
        self.follow(found)

    def take_list(self, result: Result) -> None:
        """Show what another panel made of the list of the same result."""
        state = _kept_list(result.labels)
        if result is self._result and state not in (
            None,
            self._panel.state(),
        ):
            self._panel.restore_state(state, result.labels.name, is_kept=True)

    def flush(self) -> None:
        """Save now what waits to be saved."""
        if self._save_timer.isActive():
            self._save_timer.stop()
            self._save()

    def follow(self, result: Result | None) -> None:
        """Make a result the one that is kept in step; areas are counted."""
        if result is not self._result:
            self._let_go()
            self._result = result
            if result is not None:
                self._book.prefer(result)
                self._watcher = AppearanceWatcher(
                    self._viewer, result, self._on_color, self._on_name
                )
                result.labels.events.set_data.connect(self._on_labels_changed)
                self._keep_list()
            self.followed.emit(result)
        self._area_timer.start()

    def close(self) -> None:
        """Stop listening, for a panel that was closed."""
        self._let_go()
        self._area_timer.stop()
        self._count_timer.stop()
        self.flush()
        self._book.watchers.discard(self)
        panel = self._panel
        panel.appearance_changed.disconnect(self._on_table_appearance)
        panel.state_changed.disconnect(self._on_table_changed)
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
        if not isinstance(active, Labels):
            return
        state = _kept_list(active)
        if state is None:
            return
        result = self._book.find_by_labels(self._viewer, active, self._image)
        if result is None or result is self._result:
            return
        is_kept = self._result is not None
        # First the table, so that its change is not taken to the old layer.
        self._let_go()
        if state != self._panel.state():
            self._panel.restore_state(state, active.name, is_kept=is_kept)
        self.follow(result)
        if result.image is not None:
            self.image_meant.emit(result.image)

    def _on_layer_removed(self, _event: object = None) -> None:
        result, layers = self._result, self._viewer.layers
        if result is None:
            return
        if result.labels not in layers:
            self.follow(None)
        elif (
            result.image is not None
            and result.image not in layers
            # What a run writes into is its own until it ends.
            and result.checkpoint is None
        ):
            # It would hold the image.
            self.follow(
                self._book.find_by_labels(
                    self._viewer, result.labels, self._image
                )
            )

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
        result = self._result
        if result is None:
            return
        store_list(result.labels, self._panel.state().to_dict())
        for other in list(self._book.watchers):
            if other is not self:
                other.take_list(result)

    def _on_labels_changed(self, _event: object = None) -> None:
        self._area_timer.start()

    def _start_areas(self) -> None:
        self._counting = None
        if self._result is not None:
            labels = self._result.labels
            plane = shown_plane(labels, self._viewer)
            if plane is not None:
                self._counting = count_areas(labels, plane)
        if self._counting is None:
            self._panel.set_areas({})
        else:
            self._count_timer.start()

    def _go_on_counting(self) -> None:
        if self._counting is None:
            return
        try:
            next(self._counting)
        except StopIteration as stop:
            self._counting = None
            self._panel.set_areas(stop.value)
        else:
            self._count_timer.start()

    def _save(self) -> None:
        try:
            save_last(self._panel.state())
        except StorageError as error:
            self._panel.tell(str(error))


def _kept_list(labels: Labels) -> ListState | None:
    """Return the list that a layer keeps; None if it has none of use."""
    content = read_list(labels)
    if content is None:
        return None
    try:
        return ListState.from_dict(content)
    except InputError:
        return None
