"""What labels should be, by what a panel shows, and what is left as it is.

Labels are not asked for where the person has left them as they are, nor again
for what could not be answered.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from napari_naclip.engine.errors import NaclipError
from napari_naclip.engine.types import Settings
from napari_naclip.ui.kept_image import visible_part
from napari_naclip.ui.kept_live import Shown
from napari_naclip.ui.live_thread import Question

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from napari.components import ViewerModel

    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.jobs import RunRequest
    from napari_naclip.ui.kept_live import KeptLive
    from napari_naclip.ui.live_thread import Wish
    from napari_naclip.ui.options import Options


class WantedLabels:
    """What the labels of planes and regions should be, by one panel.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    classes : ClassPanel
    options : Options
    """

    def __init__(
        self, viewer: ViewerModel, classes: ClassPanel, options: Options
    ) -> None:
        self._viewer = viewer
        self._classes = classes
        self._options = options

    def find(self, kept: KeptLive) -> Shown:
        """Return what the labels of a plane or region should be.

        Raises
        ------
        NaclipError
            If no class is on.
        """
        return self._complete(self._settings_of(kept))

    def describe(self) -> Shown:
        """Return what the panel asks for, the same for all planes.

        Raises
        ------
        NaclipError
            If no class is on.
        """
        return self._complete(Settings(**self._options.settings_part()))

    def describe_run(self, request: RunRequest) -> Shown:
        """Return what a run was asked for, as ``describe`` would."""
        live = {
            name: getattr(request.settings, name)
            for name in (*self._options.settings_part(), 'threshold')
        }
        return Shown(request.classes, Settings(**live), frozenset())

    def _complete(self, settings: Settings) -> Shown:
        listed = self._classes.class_list()
        return Shown(
            listed,
            dataclasses.replace(
                settings, threshold=self._classes.threshold(listed, settings)
            ),
            self._classes.locked_values(),
        )

    def _settings_of(self, kept: KeptLive) -> Settings:
        return dataclasses.replace(
            kept.settings, **self._options.settings_part()
        )

    def ask(self, kept: Iterable[KeptLive]) -> tuple[Question, ...]:
        """Return what to ask where labels are not what they should be.

        First of what the canvas shows.

        Raises
        ------
        NaclipError
            If no class is on.
        """
        questions: list[Question] = []
        later: list[Question] = []
        for each in kept:
            wanted = self.find(each)
            if each.takes(wanted):
                continue
            if each.failed is not None:
                if each.failed.is_enough_for(wanted):
                    continue
                each.failed = None
            own, seen = each.snapshot, visible_part(each, self._viewer)
            is_seen = seen is None or own.area.meets(seen)
            (questions if is_seen else later).append(
                Question(each, wanted, None if own.is_cut else seen)
            )
        return (*questions, *later)

    def accept(self, kept: Iterable[KeptLive]) -> None:
        """Leave labels as they are: only the next change counts."""
        with contextlib.suppress(NaclipError):
            for each in kept:
                each.shown = self.find(each)

    def accept_reverted(
        self,
        kept: Iterable[KeptLive],
        restored: Collection[tuple[object, ...]],
    ) -> None:
        """Leave the labels of all planes as they are after Revert.

        What was taken back would come again where a plane is looked at next.

        Parameters
        ----------
        kept : iterable of KeptLive
            What answers for a result.
        restored : collection of tuple
            Keys of planes that are as they were: they are whole again.
        """
        self.accept(
            each
            for each in kept
            if each.shown is not None or each.key[1] in restored
        )

    def accept_run(
        self, kept: Iterable[KeptLive], request: RunRequest, *, is_shown: bool
    ) -> None:
        """Leave labels as they are that a run was to change.

        Parameters
        ----------
        kept : iterable of KeptLive
            What answers for them. Labels that are part old, part new are
            left out: they are not what anybody wants.
        request : RunRequest
        is_shown : bool
            Whether the class table shows the list of the run.
        """
        whole = [each for each in kept if each.shown is not None]
        if is_shown:
            self.accept(whole)
            return
        for each in whole:
            if each.shown is not None:
                settings = dataclasses.replace(
                    self._settings_of(each),
                    threshold=request.settings.threshold,
                )
                each.shown = Shown(
                    request.classes, settings, each.shown.locked
                )

    def fail(self, wish: Wish) -> bool:
        """Note that a wish cannot be fulfilled: it is not made again.

        Returns
        -------
        bool
            Whether labels are part old, part new now.
        """
        is_mixed = False
        for question in wish.questions:
            kept = question.kept
            if kept.shown != question.wanted:
                kept.failed = question.wanted
                is_mixed = is_mixed or kept.shown is None
        # Another part of the plane may be as wanted.
        parts = wish.questions[0].kept.find_parts()
        return is_mixed or len({each.failed is None for each in parts}) > 1
