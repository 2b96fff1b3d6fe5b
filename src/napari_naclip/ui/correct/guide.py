"""Leads a person from region to region, and writes what they answer.

Runs on the GUI thread. Regions are found on the thread of live answers, anew
each time that labels have changed; what a person looks at meanwhile stays
until it is answered.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_naclip.layers.outline import Outline
from napari_naclip.layers.view import look_at
from napari_naclip.ui.asides import Asides
from napari_naclip.ui.correct import messages
from napari_naclip.ui.correct.answering import (
    Answer,
    Writing,
    teach,
    unteach,
)
from napari_naclip.ui.correct.finding import find_guided
from napari_naclip.ui.correct.guided import (
    Guided,
    choose,
    describe,
)
from napari_naclip.ui.painting import painted_later

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.correct.correct_panel import CorrectPanel
    from napari_naclip.ui.correct.finding import Found
    from napari_naclip.ui.director import RunDirector
    from napari_naclip.ui.kept_live import KeptLive
    from napari_naclip.ui.live import LiveUpdater

#: Places whose regions are kept, at most; more if a plane has more of them.
_MOST_PLACES = 4
#: Name of the layer that outlines a region.
OUTLINE_NAME = 'region'


class Guide(QObject):
    """Joins the panel, the queue of regions, the layer and the canvas.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    panel : CorrectPanel
    classes : ClassPanel
        Whose classes are taught.
    live : LiveUpdater
        Knows what answers for the displayed plane.
    runs : RunDirector
    parent : QObject
    """

    def __init__(
        self,
        viewer: ViewerModel,
        panel: CorrectPanel,
        *,
        classes: ClassPanel,
        live: LiveUpdater,
        runs: RunDirector,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._panel = panel.guide
        self._classes = classes
        self._live = live
        self._runs = runs
        self._asides = Asides(self)
        self._outline = Outline(OUTLINE_NAME)
        self._places: list[Guided] = []
        self._current: tuple[Guided, int] | None = None
        self._waiting: dict[Guided, Found] = {}
        self._answers: list[Answer] = []
        # What Next is to go on in, once regions are there.
        self._wanted: tuple[KeptLive, ...] | None = None
        self._writing = Writing(self)
        panel.more.toggled.connect(self._on_folded)
        self._panel.next_wanted.connect(self._on_next)
        self._panel.accepted.connect(self._on_accepted)
        self._panel.assigned.connect(self._on_assigned)
        self._panel.back_wanted.connect(self._on_back)
        live.followed.connect(self._on_labels_changed)
        classes.locks_changed.connect(self._on_locks_changed)
        self._show_progress()

    @property
    def is_idle(self) -> bool:
        """Whether everything is written and shown."""
        return self._writing.is_idle

    @property
    def places(self) -> tuple[Guided, ...]:
        """The planes that regions are known of."""
        return tuple(self._places)

    def look(self) -> None:
        """Notice that another plane, image or result is displayed."""
        layers = self._viewer.layers
        self._places = [
            each
            for each in self._places
            if each.result.labels in layers and each.result.image in layers
        ]
        self._forget_gone()
        has_gone = self._current is not None and (
            self._current[0] not in self._shown_places()
        )
        if has_gone or self._wanted not in (None, self._shown()):
            self.rest()

    def rest(self, about: str = '') -> None:
        """Show no region any more; what was answered stays."""
        self._wanted = None
        self._asides.drop_all()
        self._current = None
        self._outline.remove(self._viewer)
        self._panel.show_nothing(about)
        self._show_progress()

    def close(self) -> None:
        """Leave the viewer as it was, for a panel that was closed."""
        self._writing.finish()
        self.rest()

    def _on_folded(self, is_open: bool) -> None:
        if not is_open:
            self.rest()

    # Which regions there are.

    def _shown(self) -> tuple[KeptLive, ...]:
        return self._live.find()[1]

    def _shown_places(self) -> list[Guided]:
        shown = self._shown()
        return [
            place
            for place in self._places
            if any(place.is_of_same_pixels(kept) for kept in shown)
        ]

    def _place_of(self, kept: KeptLive) -> Guided | None:
        for place in self._places:
            if place.is_of_same_pixels(kept):
                return place
        return None

    def _on_next(self) -> None:
        if self._writing.is_busy:
            return
        shown = self._shown()
        if self._runs.is_running:
            self.rest(messages.RUNNING)
        elif not shown:
            self.rest(messages.NO_RESULT)
        else:
            self._let_go()
            self._wanted = shown
            self._take_waiting()
            self._go_on()

    def _go_on(self) -> None:
        """Find what regions are missing, then show one."""
        shown = self._shown()
        if all(each.shown is not None for each in shown):
            self._find_regions(shown)
            self._show_next()
        elif self._live.is_busy:
            # Their end is told.
            self._panel.show_nothing(messages.FOLLOWING)
        else:
            self.rest(messages.NEEDS_LIVE)

    def _find_regions(self, shown: tuple[KeptLive, ...]) -> None:
        """Have regions found of all labels that have none."""
        for kept in shown:
            place, wanted = self._place_of(kept), kept.shown
            if wanted is None or (
                place is not None and place.kept is kept and place.is_current()
            ):
                continue
            self._asides.ask(
                f'regions {id(kept)}',
                # Nothing of the panel: the thread may outlive it.
                lambda kept=kept, wanted=wanted: find_guided(kept, wanted),  # type: ignore[misc]
                self._on_found,
                self._on_failed,
            )

    def _on_found(self, found: Found) -> None:
        if not found.is_current():
            if self._wanted is not None and not self._live.is_busy:
                self._go_on()
            # Else labels change still; their end is told.
            return
        place = self._place_of(found.kept)
        if place is None:
            self._add(Guided(found))
        else:
            self._waiting[place] = found
        if self._current is None:
            self._take_waiting()
            self._show_next()
        elif not self._current[0].holds(self._current[1]):
            # What is outlined has another label by now.
            self._on_next()

    def _add(self, place: Guided) -> None:
        most = max(_MOST_PLACES, len(self._shown()))
        self._places = [*self._places, place][-most:]
        self._forget_gone()

    def _forget_gone(self) -> None:
        """Keep nothing of planes that are known no more."""
        known = self._places
        self._answers = [x for x in self._answers if x.guided in known]
        self._waiting = {x: y for x, y in self._waiting.items() if x in known}

    def _take_waiting(self) -> None:
        for place, found in self._waiting.items():
            place.take(found)
        self._waiting.clear()

    def _on_failed(self, error: Exception) -> None:
        self.rest(messages.describe_failed(error))

    def _on_labels_changed(self) -> None:
        """Prepare the next regions while a person looks at this one."""
        if self._wanted is not None:
            self._go_on()
        elif self._current is not None:
            self._find_regions(self._shown())

    # What is shown.

    def _show_next(self) -> None:
        """Show the best region, once all regions are there."""
        if self._wanted is None or self._current is not None:
            return
        shown = self._shown()
        if any(self._asides.is_asked(f'regions {id(k)}') for k in shown):
            self._panel.show_nothing(messages.LOOKING)
            return
        self._writing.draw(self._choose(self._wanted))

    def _choose(self, wanted: tuple[KeptLive, ...]) -> Iterator[None]:
        """Look for edits, in steps that hold up no window; show the best."""
        best = yield from choose(
            self._shown_places(), self._classes.locked_values()
        )
        if (
            self._wanted is not wanted
            or self._current is not None
            or any(self._asides.is_asked(f'regions {id(k)}') for k in wanted)
        ):
            # Others are on their way.
            return
        self._wanted = None
        if best is None:
            self.rest(messages.ALL_SEEN)
        else:
            self._show(*best)

    def _show(self, place: Guided, index: int) -> None:
        self._current = place, index
        self._writing.draw(
            itertools.takewhile(
                lambda _: self._current == (place, index),
                self._draw(place, index),
            )
        )
        self._show_choices(place, index)
        self._show_progress()

    def _show_choices(self, place: Guided, index: int) -> None:
        self._panel.show_region(
            *describe(place, index, self._classes.locked_values())
        )

    def _on_locks_changed(self) -> None:
        if self._current is None:
            return
        place, index = self._current
        label = int(place.guidance.regions.labels[index])
        if label in self._classes.locked_values():
            # There is nothing to answer any more.
            self._on_next()
        else:
            self._show_choices(place, index)

    def _draw(self, place: Guided, index: int) -> Iterator[None]:
        """Bring a region onto the canvas, in steps that hold up no window.

        They are left once another region is shown.
        """
        yield
        yield from place.find_place(index)
        found, where = place.place(index), (place.result.labels, place.plane)
        region = found.region
        look_at(self._viewer, *where, region)
        yield
        corner = region.top, region.left
        shown = self._viewer, *where, corner, found.small, found.step
        with painted_later(self._panel):
            steps = self._outline.show(*shown)
        yield from steps

    def _let_go(self) -> None:
        self._current = None
        self._outline.pause(self._viewer)

    def _show_progress(self) -> None:
        self._panel.show_progress(
            messages.describe_progress(
                [place.guidance for place in self._shown_places()]
            ),
            can_go_back=bool(self._answers),
        )

    # What is answered.

    def _on_accepted(self) -> None:
        if self._current is not None:
            place, index = self._current
            self._on_assigned(int(place.guidance.regions.labels[index]))

    def _on_assigned(self, value: int) -> None:
        if self._current is None or self._writing.is_busy:
            return
        if self._runs.is_running:
            self.rest(messages.RUNNING)
            return
        place, index = self._current
        found, example = place.place(index), place.example(index)
        answer = Answer.of(place, place.guidance.assign(index, value))
        locked = self._classes.locked_values()

        def go_on() -> None:
            # Not before it is written: what follows keeps edits only.
            if (
                answer.step.is_change
                and self._panel.teach.isChecked()
                and teach(self._classes, value, example)
            ):
                answer.example = example
            self._answers.append(answer)
            self._show_progress()
            self._on_next()

        def undo(error: Exception) -> None:
            place.guidance.back()
            self._writing.begin(
                answer.take_back(locked),
                lambda: self.rest(messages.NOTHING_WRITTEN.format(error)),
                lambda _: self.rest(messages.NOT_WRITTEN.format(error)),
            )

        self._writing.begin(answer.write(found, locked), go_on, undo)

    def _on_back(self) -> None:
        if not self._answers or self._writing.is_busy:
            return
        answer, locked = self._answers[-1], self._classes.locked_values()
        if answer.touches(locked):
            self.rest(messages.BACK_LOCKED)
            return

        def show_again() -> None:
            # Not before it is written: else it could not be tried again.
            place = answer.guided
            self._answers = [x for x in self._answers if x is not answer]
            place.guidance.back()
            unteach(self._classes, answer)
            self._take_waiting()
            if place in self._shown_places():
                self._show(place, place.guidance.index_of(answer.step))
            else:
                self.rest(messages.BACK_ELSEWHERE)

        self._writing.begin(
            answer.take_back(locked),
            show_again,
            lambda error: self.rest(messages.NOT_TAKEN_BACK.format(error)),
        )
