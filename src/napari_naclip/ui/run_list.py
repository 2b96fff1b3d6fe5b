"""The class list of a run, whatever the table shows in the meantime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from napari_naclip.engine.class_state import ListState
    from napari_naclip.ui.class_table.panel import ClassPanel


class RunList(QObject):
    """Follows the class table as long as it shows the list of the run.

    Names, colors and locks may be edited while a run goes on. But the list
    of another layer, in which the same label values may be other classes,
    must not come between.

    Parameters
    ----------
    panel : ClassPanel
        Its list is that of the run; also the parent.
    """

    def __init__(self, panel: ClassPanel) -> None:
        super().__init__(panel)
        self._panel = panel
        self._numbering = panel.numbering
        self._state = panel.state()
        self._is_shown = True
        panel.state_changed.connect(self._look)

    @property
    def is_shown(self) -> bool:
        """Whether the table is still the one of the run."""
        return self._is_shown

    @property
    def state(self) -> ListState:
        """The list as it is, or was when the table was last its own."""
        return self._state

    def leave(self) -> None:
        """Follow the table no longer; what is typed is for another image."""
        self._is_shown = False

    def end(self) -> None:
        """Go, with the run."""
        self._panel.state_changed.disconnect(self._look)
        self.deleteLater()

    def _look(self) -> None:
        if self._panel.numbering != self._numbering:
            self.leave()
        if self._is_shown:
            self._state = self._panel.state()
