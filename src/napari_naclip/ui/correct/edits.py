"""Follows the edits of the shown result: count, outline, and forgetting.

On the GUI thread, in pieces of some milliseconds. Only rows that may have
changed are compared again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QObject, QTimer

from napari_naclip.engine.errors import InputError, NaclipError
from napari_naclip.layers.areas import shown_plane
from napari_naclip.layers.edits import EditCount, forget_steps, iter_edits
from napari_naclip.layers.outline import Outline, reduction_of
from napari_naclip.layers.shown_parts import Part, drawn_parts, visible_part
from napari_naclip.ui.correct import edit_messages as messages
from napari_naclip.ui.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_naclip.engine.types import Region
    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.correct.edits_panel import EditsPanel
    from napari_naclip.ui.director import RunDirector
    from napari_naclip.ui.list_sync import ListSync
    from napari_naclip.ui.live import LiveUpdater
    from napari_naclip.ui.run_panel import RunPanel

#: Milliseconds between a change and its outline: strokes come in many steps.
_DELAY: Final = 60
#: Name of the layer.
_OUTLINE_NAME: Final = 'edited pixels'


class EditsFollower(QObject):
    """Keeps the panel of edits up to date for one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    panel : EditsPanel
    live : LiveUpdater
        Writes, so that Revert knows, and asks the model again.
    classes : ClassPanel
        Knows the locked classes.
    runs : RunDirector
        While it runs nothing is forgotten.
    run_panel : RunPanel
        Shows what was done.
    parent : QObject
    """

    def __init__(
        self,
        viewer: ViewerModel,
        panel: EditsPanel,
        *,
        live: LiveUpdater,
        classes: ClassPanel,
        runs: RunDirector,
        run_panel: RunPanel,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._panel = panel
        self._live = live
        self._classes = classes
        self._runs = runs
        self._run_panel = run_panel
        self._result: Result | None = None
        self._count: EditCount | None = None
        self._outline = Outline(_OUTLINE_NAME)
        self._turns = Turns(self)
        self._forgetting = Turns(self)
        self._count_timer = self._make_timer(self._count_on, 0)
        self._outline_timer = self._make_timer(self._draw, _DELAY)
        panel.outline_toggled.connect(self._on_outline_toggled)
        panel.forget_wanted.connect(self._on_forget)

    def _make_timer(self, slot: Callable[[], None], delay: int) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(delay)
        timer.timeout.connect(slot)
        return timer

    def open(self, sync: ListSync) -> None:
        """Listen to the viewer.

        Parameters
        ----------
        sync : ListSync
            Tells which result is shown.
        """
        sync.followed.connect(self.follow)
        self.follow(sync.result)
        for event in self._viewer_events():
            event.connect(self._on_moved)

    def close(self) -> None:
        """Stop listening, for a dock that was closed."""
        self.follow(None)
        self._turns.clear()
        self._forgetting.clear()
        self._outline.remove(self._viewer)
        for event in self._viewer_events():
            event.disconnect(self._on_moved)

    def _viewer_events(self) -> tuple[Any, ...]:
        # The camera moved into the scene in napari 0.9.
        camera = getattr(self._viewer, 'scene', self._viewer).camera
        dims = self._viewer.dims.events
        return (
            dims.current_step,
            dims.ndisplay,
            dims.order,
            camera.events.zoom,
            camera.events.center,
        )

    def follow(self, result: Result | None) -> None:
        """Count and outline the edits of a result."""
        if result is self._result:
            return
        if self._result is not None:
            events = self._result.labels.events
            events.labels_update.disconnect(self._on_painted)
            events.set_data.disconnect(self._on_changed)
        self._result = result
        if result is not None:
            events = result.labels.events
            events.labels_update.connect(self._on_painted)
            events.set_data.connect(self._on_changed)
        self._look()

    def _look(self) -> None:
        """Look at the plane that is displayed now."""
        result = self._result
        plane = self._plane()
        if result is None or plane is None:
            self._count = None
            self._count_timer.stop()
            self._panel.show_count(None)
        else:
            self._count = EditCount(result, plane)
            self._count_timer.start()
        self._outline_timer.start()

    def _plane(self) -> tuple[int | slice, ...] | None:
        result = self._result
        if result is None or (
            tuple(result.labels.data.shape) != result.written.shape
        ):
            return None
        return shown_plane(result.labels, self._viewer)

    # What changes.

    def _on_painted(self, event: Any) -> None:
        """Note which rows a step of a stroke has changed."""
        count = self._count
        if count is None:
            return
        displayed = self._viewer.dims.displayed
        first = 0 if displayed[0] < displayed[1] else 1
        top = int(event.offset[first])
        count.mark(top, top + event.data.shape[first])
        self._count_timer.start()
        self._outline_timer.start()

    def _on_changed(self, _event: object = None) -> None:
        """Note that anything may have changed."""
        count = self._count
        if count is None or count.plane != self._plane():
            self._look()
            return
        count.mark()
        self._count_timer.start()
        self._outline_timer.start()

    def _on_moved(self, _event: object = None) -> None:
        if (None if self._count is None else self._count.plane) != (
            self._plane()
        ):
            self._look()
        elif self._panel.outline.isChecked():
            self._outline_timer.start()

    def _count_on(self) -> None:
        count = self._count
        if count is None:
            return
        count.count_on()
        self._panel.show_count(count.total, is_done=count.is_done)
        if not count.is_done:
            self._count_timer.start()

    # The outline.

    def _on_outline_toggled(self, is_on: bool) -> None:
        if is_on:
            self._draw()
        else:
            self._turns.clear()
            self._outline.remove(self._viewer)

    def _draw(self) -> None:
        # Only what is there now counts.
        self._turns.clear()
        result, count = self._result, self._count
        if not self._panel.outline.isChecked():
            return
        if self._outline.was_removed(self._viewer):
            self._panel.outline.setChecked(False)
            return
        part = None
        if result is not None and count is not None:
            part = visible_part(result.labels, self._viewer)
        if result is None or count is None or part is None:
            self._outline.pause(self._viewer)
            return
        self._turns.add(self._draw_steps(result, count.plane, part))

    def _draw_steps(
        self, result: Result, plane: tuple[int | slice, ...], part: Region
    ) -> Iterator[None]:
        """Find the edits of what is visible strip by strip; outline them."""
        step = reduction_of(part.size)
        strips = []
        for _, mask in iter_edits(result, plane, part, step):
            strips.append(mask)
            yield
            if result is not self._result or plane != self._plane():
                # Another outline is on its way.
                return
        if self._outline.was_removed(self._viewer):
            self._panel.outline.setChecked(False)
            return
        yield from self._outline.show(
            self._viewer,
            result.labels,
            plane,
            (part.top, part.left),
            np.concatenate(strips),
            step,
        )

    # Forgetting.

    def _on_forget(self, scope: str) -> None:
        result, plane = self._result, self._plane()
        if result is None or plane is None:
            return
        if self._runs.is_running:
            self._run_panel.show_refusal(messages.RUN_FIRST)
            return
        if not self._forgetting.is_idle:
            return
        try:
            parts = self._find_parts(result.labels, scope)
        except NaclipError as error:
            self._run_panel.show_refusal(str(error))
            return
        self._forgetting.add(self._forget(result, plane, parts))

    def _forget(
        self,
        result: Result,
        plane: tuple[int | slice, ...],
        parts: list[Part],
    ) -> Iterator[None]:
        """Give edits of some parts back in steps, and say how many."""
        locked = self._classes.locked_values()

        def steps() -> Generator[None, None, int]:
            count = 0
            for part in parts:
                count += yield from forget_steps(
                    result, plane, part.region, part.mask, locked
                )
            return count

        try:
            count = yield from self._live.rewrite(result, plane, steps())
        except NaclipError as error:
            self._run_panel.show_refusal(str(error))
            return
        self._run_panel.show_rest(
            messages.FORGOTTEN_IN_PART
            if count is None
            else messages.describe_forgotten(count)
        )

    def _find_parts(self, labels: Labels, scope: str) -> list[Part]:
        viewer = self._viewer
        if scope == 'plane':
            return [Part(None, None)]
        if scope == 'view':
            region = visible_part(labels, viewer)
            return [] if region is None else [Part(region, None)]
        active = viewer.layers.selection.active
        shapes = [x for x in viewer.layers if isinstance(x, Shapes)]
        if isinstance(active, Shapes):
            shapes.append(active)
        if not shapes:
            raise InputError(messages.NO_SHAPES)
        return drawn_parts(labels, shapes[-1], viewer)
