"""The part of the dock widget that scrolls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QResizeEvent, QWheelEvent

#: Milliseconds until everything has its place after something appeared.
#: Longer than the panel waits before it tells of the next run.
_SETTLE_TIME: Final = 500


class ScrollingPage(QScrollArea):
    """Parts below each other, as wide as there is room.

    napari never scrolls docks; without this a small screen would get a window
    taller than itself.

    Parameters
    ----------
    parts : iterable of QWidget
        From top to bottom.
    """

    def __init__(self, parts: Iterable[QWidget]) -> None:
        super().__init__()
        self._wanted: QWidget | None = None
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLE_TIME)
        self._settled.timeout.connect(self._forget_wanted)
        # Not QTimer.singleShot: in PySide6 that calls what is deleted by then.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._scroll_to_wanted)
        page = QWidget()
        rows = QVBoxLayout(page)
        #: Pixels around the parts.
        self.margin = rows.contentsMargins().left() * 2 // 3
        rows.setContentsMargins(*[self.margin] * 4)
        for part in parts:
            rows.addWidget(part)
        rows.addStretch()
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setFrameShape(QScrollArea.Shape.NoFrame)

    def follow(self, part: QWidget) -> None:
        """Scroll to a part whenever it appears."""
        part.installEventFilter(self)

    def eventFilter(self, part: QObject | None, event: QEvent | None) -> bool:
        """Notice that a part appears."""
        if (
            isinstance(part, QWidget)
            and event is not None
            and event.type() == QEvent.Type.Show
            and part is not self.widget()
        ):
            self.bring_into_sight(part)
        return super().eventFilter(part, event)

    def bring_into_sight(self, part: QWidget) -> None:
        """Scroll to a part that has just appeared, once it has its place."""
        self._wanted = part
        self._timer.start(0)
        self._settled.start()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep in sight what has just appeared: texts below may grow."""
        super().resizeEvent(event)
        self._scroll_to_wanted()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Let a person go where they want."""
        self._wanted = None
        super().wheelEvent(event)

    def _scroll_to_wanted(self) -> None:
        if self._wanted is not None:
            self.ensureWidgetVisible(self._wanted)

    def _forget_wanted(self) -> None:
        self._scroll_to_wanted()
        self._wanted = None
