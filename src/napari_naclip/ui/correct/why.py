"""Shows why labels are what they are: maps, and classes under the cursor.

Runs on the GUI thread; what takes long is computed on the thread of live
answers, after these, and anew each time that labels have changed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_naclip.correct.empty import find_empty
from napari_naclip.layers.maps import MapLayer
from napari_naclip.layers.regions import pixel_under
from napari_naclip.ui.asides import Asides
from napari_naclip.ui.correct import why_messages as messages
from napari_naclip.ui.correct.failures import describe_failure
from napari_naclip.ui.correct.why_work import (
    Asked,
    explain_pixel,
    map_class,
    survey_plane,
)
from napari_naclip.ui.painting import painted_later
from napari_naclip.ui.turns import Turns

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_naclip.engine.explain import Explanation
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.maps import PlaneMap
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.correct.why_panel import WhyPanel
    from napari_naclip.ui.correct.why_work import Surveyed
    from napari_naclip.ui.kept_live import Shown
    from napari_naclip.ui.live import LiveUpdater

#: Milliseconds between a change and the look at what it changes.
_DELAY: Final = 60
#: Milliseconds between two looks at what is under the cursor.
_CURSOR_DELAY: Final = 40
_COLORMAPS: Final = {
    'heat': 'magma',
    'confidence': 'viridis',
    'margin': 'viridis',
}
#: What all classes have to be looked at for.
_SURVEYED: Final = ('confidence', 'margin')


class Why(QObject):
    """Joins the panel, the maps, and what answers for the displayed plane.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    panel : WhyPanel
    classes : ClassPanel
        Its selected class is the one of the heat map.
    live : LiveUpdater
        Knows what answers.
    parent : QObject
    """

    def __init__(
        self,
        viewer: ViewerModel,
        panel: WhyPanel,
        *,
        classes: ClassPanel,
        live: LiveUpdater,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._panel = panel
        self._classes = classes
        self._live = live
        self._asides = Asides(self)
        self._turns = Turns(self)
        self._maps = {
            kind: MapLayer(name) for kind, name in _COLORMAPS.items()
        }
        #: What was asked for last, or is shown.
        self._keys: dict[str, _Key] = {}
        self._surveyed: Surveyed | None = None
        self._cursor: Any = None
        #: What is said when nothing is being computed.
        self._note = ''
        self._is_open = False
        self._timer = self._make_timer(_DELAY, self._look)
        self._cursor_timer = self._make_timer(_CURSOR_DELAY, self._look_under)
        panel.changed.connect(self.look)
        live.followed.connect(self.look)
        classes.state_changed.connect(self.look)
        selection = classes.table.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self.look)

    def _make_timer(self, delay: int, slot: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(delay)
        timer.timeout.connect(slot)
        return timer

    def open(self) -> None:
        """Begin to listen to the viewer."""
        if not self._is_open:
            self._is_open = True
            self._viewer.layers.events.removed.connect(self._on_removed)
            self._viewer.mouse_move_callbacks.append(self._on_mouse)
            self.look()

    def close(self) -> None:
        """Leave the viewer as it was, for a panel that was closed."""
        if not self._is_open:
            return
        self._is_open = False
        self._timer.stop()
        self._cursor_timer.stop()
        self._asides.drop_all()
        self._turns.clear()
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.mouse_move_callbacks.remove(self._on_mouse)
        self._rest(has_wish=False)

    def look(self, *_event: object) -> None:
        """Look soon whether something else is to be shown."""
        if self._is_open and not self._timer.isActive():
            self._timer.start()

    # What is wanted.

    def _look(self) -> None:
        wanted = {k for k in self._maps if self._panel.is_wanted(k)}
        for kind in set(self._maps) - wanted:
            self._maps[kind].hide(self._viewer)
        if any(each.shown is None for each in self._live.find()[1]):
            # The labels are still to follow.
            return
        result, asked = self._find()
        if result is None or not asked:
            self._rest(has_wish=bool(wanted) or self._panel.is_open)
            return
        self._note = ''
        self._look_at_class(result, asked, is_wanted='heat' in wanted)
        self._look_at_all(
            result,
            asked,
            is_wanted=self._panel.is_open or bool(wanted & {*_SURVEYED}),
        )

    def _find(self) -> tuple[Result | None, tuple[Asked, ...]]:
        """Return what answers for the displayed plane and has answered."""
        result, kept = self._live.find()
        return result, tuple(
            Asked(each, each.shown) for each in kept if each.shown is not None
        )

    def _rest(self, *, has_wish: bool) -> None:
        """Show that nothing answers for what is displayed."""
        for kind, each in self._maps.items():
            self._forget(kind)
            each.hide(self._viewer)
        self._forget('all')
        self._surveyed = None
        self._panel.show_empty('')
        self._panel.say(messages.NO_RUN if has_wish else '')

    def _look_at_class(
        self, result: Result, asked: tuple[Asked, ...], *, is_wanted: bool
    ) -> None:
        value = self._value(asked)
        if not is_wanted:
            self._forget('heat')
        elif value is None:
            self._forget('heat')
            self._maps['heat'].hide(self._viewer)
            self._note = messages.NO_CLASS
            self._panel.say(self._note)
        else:
            self._ask(
                'heat',
                _Key(value, tuple(each.shown for each in asked)),
                functools.partial(map_class, asked, value),
                functools.partial(self._show_heat, result, value),
            )

    def _value(self, asked: tuple[Asked, ...]) -> int | None:
        """Return the label value of the selected class, if it competes.

        In any part: those of other runs may know other classes.
        """
        competing = [
            row.value
            for each in reversed(asked)
            for row in each.shown.classes.competitors
        ]
        values = self._classes.table.selected_values()
        if not values:
            return competing[0]
        return values[0] if values[0] in competing else None

    def _look_at_all(
        self, result: Result, asked: tuple[Asked, ...], *, is_wanted: bool
    ) -> None:
        if not is_wanted:
            self._forget('all')
            self._surveyed = None
            return
        key = _Key(0, tuple(each.shown for each in asked))
        if self._surveyed is not None and self._keys.get('all') == key:
            self._show_surveyed(result, self._surveyed)
            return
        self._ask(
            'all',
            key,
            functools.partial(survey_plane, asked),
            functools.partial(self._show_surveyed, result),
        )

    def _ask(self, kind: str, key: _Key, work: Any, then: Any) -> None:
        if self._keys.get(kind) != key:
            self._keys[kind] = key
            if kind == 'all':
                self._surveyed = None
            self._panel.say(messages.WORKING)
            self._asides.ask(kind, work, then, self._fail)

    def _forget(self, kind: str) -> None:
        self._keys.pop(kind, None)
        self._asides.drop(kind)

    # What comes.

    def _show_heat(self, result: Result, value: int, found: PlaneMap) -> None:
        name = self._names().get(value, str(value))
        self._panel.name_class(name)
        self._show('heat', result, f'heat map of {name}', found)
        self._end()

    def _show_surveyed(self, result: Result, found: Surveyed) -> None:
        is_new, self._surveyed = found is not self._surveyed, found
        for kind, shown in (
            ('confidence', found.confidence),
            ('margin', found.margin),
        ):
            if self._panel.is_wanted(kind) and (
                is_new or self._maps[kind].layer is None
            ):
                self._show(kind, result, kind, shown)
        self._panel.show_empty(
            messages.describe_empty(
                find_empty(found.reaches, found.token_pixels), self._names()
            )
        )
        self._end()

    def _show(
        self, kind: str, result: Result, name: str, found: PlaneMap
    ) -> None:
        labels = result.labels
        if labels in self._viewer.layers and self._panel.is_wanted(kind):
            with painted_later(self._panel):
                self._turns.add(
                    self._maps[kind].show(
                        self._viewer, labels, f'{labels.name}: {name}', found
                    )
                )

    def _end(self) -> None:
        if not any(self._asides.is_asked(kind) for kind in ('heat', 'all')):
            self._panel.say(self._note)

    def _fail(self, error: Exception) -> None:
        self._panel.say(
            describe_failure(
                error,
                no_memory=messages.NO_MEMORY,
                unexpected=messages.FAILED,
            )
        )

    def _names(self) -> dict[int, str]:
        return {row.value: row.name for row in self._classes.rows()}

    def _on_removed(self, event: Any) -> None:
        for kind, each in self._maps.items():
            if each.layer is not None and event.value == each.layer:
                # The person did it: what is hidden here has no layer then.
                each.hide(self._viewer)
                self._panel.uncheck(kind)
        self.look()

    # Under the cursor.

    def _on_mouse(self, _viewer: object, event: Any) -> None:
        self._cursor = np.asarray(event.position, dtype=float)
        if self._panel.is_open and not self._cursor_timer.isActive():
            self._cursor_timer.start()

    def _look_under(self) -> None:
        if self._asides.is_asked('pixel'):
            # The last place counts, after what is under way.
            self._cursor_timer.start()
            return
        self._asides.drop('exact pixel')
        found = self._find_under()
        if found is None:
            self._panel.show_pixel(messages.NOTHING_THERE)
        else:
            self._ask_pixel('pixel', *found)

    def _ask_pixel(
        self, kind: str, asked: Asked, point: tuple[int, int]
    ) -> None:
        is_first = kind == 'pixel'

        def show(found: Explanation) -> None:
            self._panel.show_pixel(
                messages.describe_pixel(found, self._names())
            )
            if is_first and not found.is_exact:
                # What takes longer, while the cursor rests.
                self._ask_pixel('exact pixel', asked, point)

        self._asides.ask(
            kind,
            functools.partial(
                explain_pixel, asked, point, exactly=not is_first
            ),
            show,
            self._fail,
        )

    def _find_under(self) -> tuple[Asked, tuple[int, int]] | None:
        """Return what answers for the pixel under the cursor, and which."""
        result, asked = self._find()
        if result is None or self._cursor is None:
            return None
        pixel = pixel_under(result.labels, self._viewer, self._cursor)
        for each in asked:
            snapshot = each.kept.snapshot
            place = snapshot.area
            rows, columns = (
                axis
                for axis, i in enumerate(snapshot.index)
                if isinstance(i, slice)
            )
            y, x = int(pixel[rows]), int(pixel[columns])
            if snapshot.is_transposed:
                y, x = x, y
            if not (
                place.top <= y < place.bottom and place.left <= x < place.right
            ):
                continue
            own = y - place.top, x - place.left
            if snapshot.mask is not None and not snapshot.mask[own]:
                # It may be of another part.
                continue
            return each, own if snapshot.is_cut else (y, x)
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """All that something that is computed depends on.

    Attributes
    ----------
    value : int
        Label value of a class, if it is about one.
    shown : tuple of Shown
        What the labels of the parts of a plane are: another one after every
        run and change.
    """

    value: int
    shown: tuple[Shown, ...]

    def __eq__(self, other: object) -> bool:
        # Not by what was asked for: a run may have seen another picture.
        return (
            isinstance(other, _Key)
            and self.value == other.value
            and [id(each) for each in self.shown]
            == [id(each) for each in other.shown]
        )

    __hash__ = None  # type: ignore[assignment]
