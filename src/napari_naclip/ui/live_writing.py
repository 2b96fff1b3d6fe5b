"""From a live answer to its Labels layer, a little in each turn.

Runs on the GUI thread; the labels of a large plane would hold it up if they
were written at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.types import Partial
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.counting import add_counts
from napari_naclip.layers.sync import apply_appearance, store_recipe
from napari_naclip.ui import messages
from napari_naclip.ui.steps import ChangeSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np
    import numpy.typing as npt

    from napari_naclip.engine.types import Segmentation
    from napari_naclip.layers.labels import WriteMode
    from napari_naclip.ui.kept_live import KeptLive, Shown
    from napari_naclip.ui.live_thread import Question, Told, Wish


class AnswerWriter:
    """Writes what answers one panel's wishes, and counts it.

    Parameters
    ----------
    has_place : callable
        Tells whether an answer may still be written where it belongs.
    locked : callable
        Returns the label values that are locked now.
    mode : callable
        Returns where it may write now.

    Attributes
    ----------
    steps : ChangeSteps
    """

    def __init__(
        self,
        has_place: Callable[[KeptLive], bool],
        locked: Callable[[], frozenset[int]],
        mode: Callable[[], WriteMode] = lambda: 'unedited',
    ) -> None:
        self._has_place = has_place
        self._locked = locked
        self._mode = mode
        self.steps = ChangeSteps()
        self._notices: tuple[str, ...] = ()
        self._counts: npt.NDArray[np.int64] | None = None
        self._kept_pixels = 0

    def begin(
        self, kept: tuple[KeptLive, ...], asked: Shown | None = None
    ) -> None:
        """Begin to write and count for a new wish; see ``ChangeSteps``."""
        self._counts, self._kept_pixels = None, 0
        self.steps.begin(
            kept[0].result,
            asked,
            is_unfinished=any(each.shown is None for each in kept),
        )

    def write(
        self, question: Question, made: Partial | Segmentation
    ) -> Generator[None, None, int | None]:
        """Write labels in steps; return the edited pixels that stayed.

        Returns
        -------
        int or None
            None if there is no place for them any more.

        Raises
        ------
        NaclipError
            If there is no room for what is overwritten.
        """
        kept, wanted = question.kept, question.wanted
        if not self._has_place(kept):
            return None
        # Until all of it is there.
        kept.shown = None
        result = kept.result
        known = result.rows
        apply_appearance(
            result,
            [r for r in wanted.classes.rows if r.value not in known],
        )
        yield
        while self._has_place(kept):
            # A class may have been locked since it was asked, or is now.
            locked, mode = self._locked(), self._mode()
            steps = label_layers.write_steps(
                result,
                kept.snapshot,
                made.labels,
                made.region if isinstance(made, Partial) else None,
                locked=wanted.locked | locked,
                mode=mode,
            )
            try:
                while self._has_place(kept) and (
                    (self._locked(), self._mode()) == (locked, mode)
                ):
                    with self.steps.writing(result):
                        next(steps)
                    yield
            except StopIteration as stop:
                count: int = stop.value
                return count
        return None

    def finish(
        self, told: Told, kept: KeptLive, made: Segmentation, kept_pixels: int
    ) -> None:
        """Note that an answer is in the layer, to stay."""
        if kept in kept.find_parts()[-1:]:
            # It tells of the last run, whichever part is answered last.
            store_recipe(
                kept.result.labels,
                {**made.recipe, 'picture': kept.snapshot.describe()},
            )
        if told.counts is not None:
            before = self._counts
            self._counts = (
                told.counts
                if before is None
                else add_counts(before, told.counts)
            )
        self._kept_pixels += kept_pixels
        self._notices = made.notices

    def describe(self, wish: Wish) -> tuple[str, tuple[str, ...]] | None:
        """Return what to say of a wish that is fulfilled, and notices.

        None if it changed nothing.
        """
        if self._counts is None:
            return None
        wanted = wish.questions[0].wanted
        text = messages.describe_result(
            wanted.classes, self._counts, self._kept_pixels, wanted.locked
        )
        return text, self._notices
