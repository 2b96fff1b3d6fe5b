"""Which model, with which weights, where and how exactly it runs.

Knows what is on this machine without torch and without the network. Loads
and downloads nothing: it only says what the person chose.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyledItemDelegate,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine import hub, registry
from napari_naclip.ui import messages
from napari_naclip.ui.compute import ModelRequest
from napari_naclip.ui.fold import Fold
from napari_naclip.ui.forms import add_row, make_combo, make_form, select
from napari_naclip.ui.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QShowEvent
    from qtpy.QtWidgets import QStyleOptionViewItem

    from napari_naclip.engine.device import ComputeChoice

_DEVICES: Final = {
    'automatic': 'auto',
    'CPU': 'cpu',
    'CUDA': 'cuda',
    'MPS (untested)': 'mps',
    'XPU (untested)': 'xpu',
}
_PRECISIONS: Final = {
    'automatic': 'auto',
    'float32': 'float32',
    'bfloat16': 'bfloat16',
    'float16': 'float16',
}


#: What the list of models adds to a name.
_PRESENCE_ROLE: Final = Qt.ItemDataRole.UserRole + 1


class _PresenceDelegate(QStyledItemDelegate):
    """Adds to a name in the open list what the closed box has no room for."""

    def initStyleOption(
        self, option: QStyleOptionViewItem | None, index: QModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        presence = index.data(_PRESENCE_ROLE)
        if option is not None and presence:
            option.text = f'{option.text} ({presence})'


class ModelPanel(QWidget):
    """The model's row, and what is rarely changed below a heading.

    Parameters
    ----------
    parent : QWidget, optional
    preferences : Preferences, optional
        What is chosen at first.

    Signals
    -------
    changed
        Another model, file, device or precision was chosen.
    """

    changed = Signal()

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        preferences: Preferences | None = None,
    ) -> None:
        super().__init__(parent)
        chosen = preferences or Preferences()
        #: Files of weights, by the model that they are for.
        self._weights: dict[str, Path] = {}
        self._is_known = False
        # Not QTimer.singleShot: in PySide6 that calls what is deleted by then.
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.timeout.connect(self.refresh)
        self.model = make_combo(
            {name: name for name in registry.MODEL_NAMES},
            'The CLIP model, and whether its weights are on this machine. '
            'ViT-B-16 is the best choice for photographs; demo is a tiny '
            'one that comes along and knows few words.',
        )
        self.model.setItemDelegate(_PresenceDelegate(self.model))
        self.presence = _make_wrapped_label('Weights of the model')
        self.device = make_combo(
            _DEVICES,
            'Where to compute. Automatic takes a graphics card that works.',
        )
        self.precision = make_combo(
            _PRECISIONS,
            'Automatic takes half precision where the device is made for it.',
        )
        self.weights = _make_wrapped_label('Weights in use')
        self.browse = QPushButton('Choose…')
        self.browse.setAccessibleName('Choose a file of weights')
        self.clear = QPushButton('Clear')
        self.clear.setAccessibleName('Use the published weights again')
        self.clear.setToolTip('Takes the published weights again.')
        self.details = QWidget()
        self.more = Fold(
            'Device, precision and weights',
            'Shows or hides what is rarely changed.',
            self.details,
        )
        self.choice = _make_wrapped_label('Where the model runs')
        self._lay_out()

        for combo, value in (
            (self.model, chosen.model),
            (self.device, chosen.device),
            (self.precision, chosen.precision),
        ):
            select(combo, value)
            combo.currentIndexChanged.connect(self._on_chosen)
        self.browse.clicked.connect(self.ask_for_weights)
        self.clear.clicked.connect(self._on_clear)
        self._show_model()
        self._forget_choice()

    def _lay_out(self) -> None:
        top = make_form()
        add_row(top, 'Model', self.model)
        rows = make_form(self.details)
        add_row(rows, 'Device', self.device)
        add_row(rows, 'Precision', self.precision)
        label = QLabel('Weights')
        label.setBuddy(self.browse)
        rows.addRow(label, self.weights)
        buttons = QHBoxLayout()
        buttons.addWidget(self.browse)
        buttons.addWidget(self.clear)
        rows.addRow('', buttons)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        for widget in (
            self.presence,
            self.more,
            self.details,
            self.choice,
        ):
            layout.addWidget(widget)

    def model_request(self, *, may_download: bool = False) -> ModelRequest:
        """Return which model to run, and where."""
        name = self.model.currentData()
        return ModelRequest(
            name=name,
            weights=self._weights.get(name),
            device=self.device.currentData(),
            precision=self.precision.currentData(),
            may_download=may_download,
        )

    def choose_model(self, name: str) -> None:
        """Choose a model by name.

        Raises
        ------
        ModelError
            If there is none of that name.
        """
        registry.check_choice(name, has_weights=False)
        select(self.model, name)

    def use_weights(self, path: Path) -> None:
        """Use a file of weights for the model that is chosen now.

        It is kept for that model while others are chosen.

        Raises
        ------
        ModelError
            If the model is the demo, which has its own.
        """
        name = self.model.currentData()
        registry.check_choice(name, has_weights=True)
        self._weights[name] = Path(path)
        self._on_chosen()

    def ask_for_weights(self, _checked: bool = False) -> bool:
        """Let the person choose a file; return whether one was chosen."""
        name = self.model.currentData()
        path, _ = QFileDialog.getOpenFileName(
            self,
            f'Weights of {name}',
            filter='Weights (*.safetensors *.pt *.pth *.bin);;All files (*)',
        )
        if not path:
            return False
        self.use_weights(Path(path))
        return True

    def refresh(self) -> None:
        """Look again which weights are on this machine; at files only."""
        self._is_known = True
        for index in range(self.model.count()):
            name = self.model.itemData(index)
            entry = registry.REGISTRY.get(name)
            if entry is None:
                size, is_here, present = 0, True, 0
            else:
                started = hub.find_started(entry)
                size = started.size if started else entry.download_size
                present = started.present if started else 0
                is_here = hub.find_cached(entry) is not None
            presence = messages.describe_presence(
                size, is_here=is_here, present=present
            )
            self.model.setItemData(index, presence, _PRESENCE_ROLE)
            self.model.setItemData(
                index,
                f'{name}, {presence}',
                Qt.ItemDataRole.AccessibleTextRole,
            )
        view = self.model.view()
        if view is not None:
            view.setMinimumWidth(view.sizeHintForColumn(0))
        self._show_model()

    def show_choice(self, choice: ComputeChoice) -> None:
        """Show where the model that was loaded runs, and why."""
        self.choice.setText(messages.describe_choice(choice))

    def state(self) -> dict[str, Any]:
        """Return what is chosen, fit for JSON; ``set_state`` takes it."""
        return {
            'model': self.model.currentData(),
            'device': self.device.currentData(),
            'precision': self.precision.currentData(),
            'weights': {
                name: str(path) for name, path in self._weights.items()
            },
            'is_expanded': self.more.isChecked(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what a state says; what it lacks or cannot be stays.

        Files of weights that are gone by now are left out.
        """
        before = self.model_request()
        self.blockSignals(True)
        try:
            for combo, key in (
                (self.model, 'model'),
                (self.device, 'device'),
                (self.precision, 'precision'),
            ):
                if key in state:
                    select(combo, state[key])
            files = state.get('weights')
            if isinstance(files, dict):
                self._weights = {
                    name: Path(path)
                    for name, path in files.items()
                    if name in registry.REGISTRY
                    and isinstance(path, str)
                    and Path(path).is_file()
                }
            self.more.setChecked(state.get('is_expanded') is True)
            self._show_model()
        finally:
            self.blockSignals(False)
        if self.model_request() != before:
            self._on_chosen()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look at files once the panel is seen, not while it is made."""
        super().showEvent(event)
        if not self._is_known:
            self._is_known = True
            self._look.start(0)

    def _on_chosen(self, _index: int = 0) -> None:
        self._show_model()
        self._forget_choice()
        self.changed.emit()

    def _on_clear(self) -> None:
        self._weights.pop(self.model.currentData(), None)
        self._on_chosen()

    def _show_model(self) -> None:
        """Show what belongs to the model that is chosen now."""
        name = self.model.currentData()
        path = self._weights.get(name)
        presence = self.model.currentData(_PRESENCE_ROLE) or ''
        self.presence.setText(messages.describe_model_weights(presence, path))
        self.weights.setText(messages.describe_weights(path))
        self.weights.setToolTip(str(path) if path else '')
        takes_files = name != registry.DEMO_NAME
        self.browse.setEnabled(takes_files)
        self.browse.setToolTip(
            'A file of weights of this architecture: safetensors, or a state '
            'dict that torch saved.'
            if takes_files
            else 'The demo model has its own weights.'
        )
        self.clear.setEnabled(path is not None)

    def _forget_choice(self) -> None:
        self.choice.setText(messages.NOT_YET_CHOSEN)


def _make_wrapped_label(name: str) -> QLabel:
    label = QLabel()
    label.setAccessibleName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
