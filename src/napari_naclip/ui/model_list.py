"""The list of models, by what they were made for; others can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import (
    QComboBox,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_naclip.engine import hub, registry
from napari_naclip.ui.model_messages import (
    MODEL_TIP,
    OTHER,
    describe_presence,
)

if TYPE_CHECKING:
    from collections.abc import Collection

#: What the list adds to a name.
PRESENCE_ROLE: Final = Qt.ItemDataRole.UserRole + 1
#: The data of the entry below which a name can be typed.
OTHER_NAME: Final = ''


class _PresenceDelegate(QStyledItemDelegate):
    """Adds to a name in the open list what the closed box has no room for."""

    def initStyleOption(
        self, option: QStyleOptionViewItem | None, index: QModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        presence = index.data(PRESENCE_ROLE)
        if option is not None and presence:
            option.text = f'{option.text} ({presence})'


class ModelList(QComboBox):
    """All models of the registry below headings, the demo, and Other.

    The data of an entry is the model's name, that of a heading None and that
    of Other ``OTHER_NAME``.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(MODEL_TIP)
        self.setItemDelegate(_PresenceDelegate(self))
        domain = ''
        for entry in registry.REGISTRY.values():
            if entry.domain != domain:
                domain = entry.domain
                self._add_heading(domain)
            self.addItem(entry.name, entry.name)
        self._add_heading('more')
        self.addItem(registry.DEMO_NAME, registry.DEMO_NAME)
        self.addItem(OTHER, OTHER_NAME)

    def _add_heading(self, text: str) -> None:
        self.addItem(text.capitalize(), None)
        model = self.model()
        item = (
            model.item(self.count() - 1)
            if isinstance(model, QStandardItemModel)
            else None
        )
        if item is not None:
            # Seen and read out, but never chosen; arrow keys pass over it.
            item.setFlags(Qt.ItemFlag.NoItemFlags)

    def refresh(self) -> None:
        """Look again which weights are on this machine; at files only."""
        here = hub.repositories_here()
        for index in range(self.count()):
            name = self.itemData(index)
            if not name:
                continue
            presence = find_presence(name, here)
            self.setItemData(index, presence, PRESENCE_ROLE)
            self.setItemData(
                index,
                f'{name}, {presence}',
                Qt.ItemDataRole.AccessibleTextRole,
            )

    def showPopup(self) -> None:
        """Open the list as wide as its entries."""
        view = self.view()
        if view is not None:
            view.setMinimumWidth(view.sizeHintForColumn(0))
        super().showPopup()


def find_presence(name: str, here: Collection[str] | None = None) -> str:
    """Return whether a model's weights are on this machine, in words.

    Empty where only open_clip could tell.

    Parameters
    ----------
    name : str
    here : collection of str, optional
        What ``repositories_here`` found, if it was asked already.

    Raises
    ------
    ModelError
        If there is no model of that name.
    """
    if name == registry.DEMO_NAME:
        return 'included'
    if name == registry.AUTO_NAME:
        return ''
    entry = registry.find_model(name)
    if not entry.repo and entry.folder is None:
        return ''
    if here is not None and hub.folder_name(entry.repo) not in here:
        return describe_presence(entry.download_size, is_here=False)
    started = hub.find_started(entry)
    return describe_presence(
        started.size if started else entry.download_size,
        is_here=hub.find_cached(entry) is not None,
        present=started.present if started else 0,
    )
