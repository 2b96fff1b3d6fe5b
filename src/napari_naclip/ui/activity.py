"""A run's bar in napari's activity dock.

``napari.utils.progress`` makes Qt widgets, so that it is used in the GUI
thread only: the worker's messages move it. Its bars handle waiting events
while they change, so that the next message, or the end of the run, may come
in the middle of this one; then only what is wanted last is shown.
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
        self._wanted: RunProgress | None = None
        self._shown: RunProgress | None = None
        self._is_changing = False

    def show(self, progress: RunProgress) -> None:
        """Show how far the run is."""
        self._wanted = progress
        self._settle()

    def close(self) -> None:
        """Remove the bar."""
        self._wanted = None
        self._settle()

    def _settle(self) -> None:
        if self._is_changing:
            return
        self._is_changing = True
        try:
            while self._shown is not self._wanted:
                self._shown = self._wanted
                if self._shown is None:
                    self._remove()
                else:
                    self._change(self._shown)
        finally:
            self._is_changing = False

    def _change(self, progress: RunProgress) -> None:
        # Bytes of a download do not fit into Qt's integers: megabytes do.
        scale = 10**6 if progress.stage == 'download' else 1
        stage = progress.stage, progress.job
        if self._bar is None or stage != self._stage:
            self._remove()
            self._stage = stage
            self._bar = ProgressBar(
                total=progress.total // scale,
                desc=messages.name_stage(progress),
            )
        if self._bar.total != progress.total // scale:
            self._bar.total = progress.total // scale
        self._bar.update(progress.done // scale - self._bar.n)

    def _remove(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
