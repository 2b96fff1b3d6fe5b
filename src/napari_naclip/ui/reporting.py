"""How a live answer under way tells of itself, and when it makes room."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from napari_naclip.engine.types import Partial, Progress
from napari_naclip.ui.compute import SLOT
from napari_naclip.ui.jobs import Part
from napari_naclip.ui.parts import merge_partials

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_naclip.engine.types import Segmentation
    from napari_naclip.ui.live_thread import Question, Wish

#: Seconds between two deliveries of parts: drawing labels takes longer.
_PART_INTERVAL = 0.25
#: Seconds after which it is told how far an answer is, and how often.
_QUIET = 0.5
_REPORT_INTERVAL = 0.1
#: Seconds that a wish gets to show a first part before a newer one ends it:
#: while a slider moves something must be seen.
_PATIENCE = 0.3


class MakeWay(Exception):
    """A run wants the compute slot."""


class Reporter:
    """Tells of an answer under way, not too often; says when to end it."""

    def __init__(
        self,
        say: Callable[[Wish, Question, Partial | Progress], None],
        wish: Wish,
        question: Question,
    ) -> None:
        self._say = say
        self._wish = wish
        self._question = question
        self._start = time.monotonic()
        self._told_parts = self._told_progress = 0.0
        self._parts: list[Part] = []
        #: Pixels whose labels are there, of this question.
        self._decided = 0
        # Whether the image is looked at, or edges refined, on the way.
        self._looks = False

    def must_end(self) -> bool:
        """Return whether nobody waits for the rest."""
        if self._wish.is_stopped.is_set():
            return True
        if SLOT.is_wanted:
            raise MakeWay
        return self._wish.is_replaced.is_set() and (
            self._told_parts > 0 or time.monotonic() - self._start > _PATIENCE
        )

    def take(self, step: Partial | Progress) -> None:
        """Tell of a step, or wait until there are more."""
        now = time.monotonic()
        if isinstance(step, Progress):
            self._looks = step.done < step.total
            self._tell(step, now)
            return
        self.count(step)
        self._parts.append(Part(self._question.kept.snapshot, step))
        if now - self._told_parts > _PART_INTERVAL:
            self._told_parts = now
            for part in merge_partials(self._parts):
                self._say(self._wish, self._question, part.partial)
            self._parts.clear()

    def count(self, step: Partial) -> None:
        """Tell how far the labels are: of a large plane they take long."""
        self._decided += math.prod(step.region.size)
        if self._looks or self._question.wanted.settings.refine != 'off':
            # That tells of its own progress.
            return
        questions = self._wish.questions
        areas = [math.prod(each.kept.snapshot.area.size) for each in questions]
        before = sum(areas[: questions.index(self._question)])
        self._tell(
            Progress('labels', before + self._decided, sum(areas)),
            time.monotonic(),
        )

    def _tell(self, progress: Progress, now: float) -> None:
        if (
            now - self._start > _QUIET
            and now - self._told_progress > _REPORT_INTERVAL
        ):
            self._told_progress = now
            self._say(self._wish, self._question, progress)


def take_all(
    steps: Generator[Progress | Partial, None, Segmentation],
    reporter: Reporter,
    has_parts: bool,
) -> Segmentation | None:
    """Return what an answer returns; None if it was given up."""
    try:
        while not reporter.must_end():
            step = next(steps)
            if has_parts or isinstance(step, Progress):
                reporter.take(step)
            else:
                reporter.count(step)
    except StopIteration as stop:
        segmentation: Segmentation = stop.value
        return segmentation
    return None
