"""How wide the columns of the class table are, from fonts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView

from napari_naclip.ui.class_table.model import TEXT_COLUMNS, Column

if TYPE_CHECKING:
    from qtpy.QtWidgets import QTableView

#: Texts that must have room; a wide table gives names so many times as much.
_LEAST_NAME: Final = 'background'
_LEAST_PROMPTS: Final = 'tree, …'
_MOST_NAMES: Final = 2


def lay_out_headers(view: QTableView) -> None:
    """Set the heights of rows and which columns follow their content."""
    header, side = view.horizontalHeader(), view.verticalHeader()
    if header is None or side is None:
        return
    metrics = view.fontMetrics()
    side.hide()
    side.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    side.setMinimumSectionSize(metrics.height() + 6)
    header.setHighlightSections(False)
    header.setSectionsClickable(False)
    header.setMinimumSectionSize(metrics.horizontalAdvance('On'))
    header.setDefaultAlignment(
        Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    )
    for column in Column:
        mode = QHeaderView.ResizeMode.ResizeToContents
        if column in TEXT_COLUMNS:
            mode = QHeaderView.ResizeMode.Fixed
        header.setSectionResizeMode(column, mode)


def share_width(view: QTableView, *, has_areas: bool) -> None:
    """Give name and prompts what the other columns leave.

    Where that is little, the area goes, which the name's tool tip has too.
    """
    viewport, metrics = view.viewport(), view.fontMetrics()
    if viewport is None:
        return
    # A cell's own margins are less than a line is high.
    margins = metrics.height()
    least_name = metrics.horizontalAdvance(_LEAST_NAME) + margins
    least_prompts = metrics.horizontalAdvance(_LEAST_PROMPTS) + margins
    fixed = {
        column: _content_width(view, column)
        for column in Column
        if column not in TEXT_COLUMNS
    }
    free = viewport.width() - sum(fixed.values())
    is_area_hidden = not has_areas or free < least_name + least_prompts
    if is_area_hidden:
        free += fixed[Column.AREA]
    view.setColumnHidden(Column.AREA, is_area_hidden)
    name = max(min(free // 2, _MOST_NAMES * least_name), least_name)
    name = max(min(name, free - least_prompts), 1)
    view.setColumnWidth(Column.NAME, name)
    view.setColumnWidth(Column.PROMPTS, max(free - name, 1))


def _content_width(view: QTableView, column: Column) -> int:
    header = view.horizontalHeader()
    title = 0 if header is None else header.sectionSizeHint(column)
    return max(title, view.sizeHintForColumn(column))
