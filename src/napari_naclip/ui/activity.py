"""A run's bar in napari's activity dock.

``napari.utils.progress`` makes Qt widgets, so that it is used in the GUI
thread only: the worker's messages move it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils import progress as ProgressBar

from napari_naclip.ui import messages

if TYPE_CHECKING:
    from napari_naclip.engine.types import Stage
    from napari_naclip.ui.estimate import RunProgress


class ActivityBar:
    """One bar for each stage of a run; the last one is closed by ``close``."""

    def __init__(self) -> None:
        self._bar: ProgressBar | None = None
        self._stage: tuple[Stage, int] | None = None

    def show(self, progress: RunProgress) -> None:
        """Show how far the run is."""
        stage = progress.stage, progress.job
        if self._bar is None or stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = ProgressBar(
                total=progress.total, desc=messages.name_stage(progress)
            )
        if self._bar.total != progress.total:
            self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
