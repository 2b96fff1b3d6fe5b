"""Which model, with which weights, where and how exactly it runs.

Knows what is on this machine without torch and without the network. Loads
and downloads nothing: it only says what the person chose.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine import registry
from napari_naclip.engine.errors import ModelError
from napari_naclip.ui import model_messages
from napari_naclip.ui.compute import ModelRequest
from napari_naclip.ui.fold import Fold
from napari_naclip.ui.forms import (
    add_row,
    make_combo,
    make_form,
    make_wrapped_label,
    select,
)
from napari_naclip.ui.model_list import (
    OTHER_NAME,
    PRESENCE_ROLE,
    ModelList,
    find_presence,
)
from napari_naclip.ui.preferences import Preferences
from napari_naclip.ui.weights_box import WeightsBox, takes_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeGuard

    from qtpy.QtGui import QShowEvent

    from napari_naclip.engine.device import ComputeChoice

#: Milliseconds between two looks whether it can be looked at files.
_POLL_INTERVAL: Final = 20
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


_ACTIVATIONS: Final = {
    'automatic': 'auto',
    'GELU': 'gelu',
    'QuickGELU': 'quickgelu',
}


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
        Another model, file, device, precision or activation was chosen.
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
        self._is_known = False
        # Not QTimer.singleShot: in PySide6 that calls what is deleted by then.
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_INTERVAL)
        self._timer.timeout.connect(self._look_when_ready)
        self._import = threading.Thread(
            target=_import_hub, name='napari-naclip import', daemon=True
        )
        self.model = ModelList()
        self.typed = QLineEdit()
        self.typed.setPlaceholderText(model_messages.TYPED_EXAMPLE)
        self.typed.setToolTip(model_messages.TYPED_TIP)
        self._taken = ''
        self.about = _make_wrapped_label('About the model')
        self.presence = _make_wrapped_label('Weights of the model')
        self.device = make_combo(
            _DEVICES,
            'Where to compute. Automatic takes a graphics card that works.',
        )
        self.precision = make_combo(
            _PRECISIONS,
            'Automatic takes half precision where the device is made for it.',
        )
        self.activation = make_combo(
            _ACTIVATIONS, model_messages.ACTIVATION_TIP
        )
        self.weights = WeightsBox()
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
            (self.activation, 'auto'),
        ):
            select(combo, value)
            combo.currentIndexChanged.connect(self._on_chosen)
        self.typed.editingFinished.connect(self._on_typed)
        self.weights.changed.connect(self._on_chosen)
        self.weights.fits.connect(self._show_name)
        self._show_model()
        self._forget_choice()

    def _lay_out(self) -> None:
        top = make_form()
        add_row(top, 'Model', self.model)
        add_row(top, 'Name', self.typed)
        self._top = top
        rows = make_form(self.details)
        # The buttons go below their label where the dock is narrow.
        rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        add_row(rows, 'Device', self.device)
        add_row(rows, 'Precision', self.precision)
        add_row(rows, 'Activation', self.activation)
        label = QLabel('Weights')
        label.setBuddy(self.weights.browse)
        rows.addRow(label, self.weights)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        for widget in (
            self.presence,
            self.about,
            self.weights.look,
            self.more,
            self.details,
            self.choice,
        ):
            layout.addWidget(widget)

    @property
    def name(self) -> str:
        """The model that is chosen or typed; empty while nothing is."""
        chosen = self.model.currentData()
        return chosen if chosen != OTHER_NAME else self._taken

    def model_request(self, *, may_download: bool = False) -> ModelRequest:
        """Return which model to run, and where."""
        return ModelRequest(
            name=self.name,
            weights=self.weights.path,
            device=self.device.currentData(),
            precision=self.precision.currentData(),
            activation=self.activation.currentData(),
            may_download=may_download,
        )

    def take_entry(self) -> None:
        """Take the name that is being typed, as Enter would."""
        if self.model.currentData() == OTHER_NAME:
            self._on_typed()

    def choose_model(self, name: str) -> None:
        """Choose a model by name, of the list or any other.

        Raises
        ------
        ModelError
            If there is none of that name.
        """
        registry.check_choice(name, has_weights=False)
        self._show_name(name)

    def _show_name(self, name: str) -> None:
        if name in registry.MODEL_NAMES:
            select(self.model, name)
            return
        self.typed.setText(name)
        is_other = self.model.currentData() == OTHER_NAME
        self._taken = name
        select(self.model, OTHER_NAME)
        if is_other:  # so that the list has nothing to tell
            self._on_chosen()

    def refresh(self) -> None:
        """Look again which weights are on this machine; at files only."""
        self._is_known = True
        self.model.refresh()
        self._show_model()

    def show_choice(self, choice: ComputeChoice) -> None:
        """Show where the model that was loaded runs, and why."""
        self.choice.setText(model_messages.describe_choice(choice))

    def state(self) -> dict[str, Any]:
        """Return what is chosen, fit for JSON; ``set_state`` takes it."""
        return {
            'model': self.name,
            'device': self.device.currentData(),
            'precision': self.precision.currentData(),
            'activation': self.activation.currentData(),
            'weights': self.weights.state(),
            'is_expanded': self.more.isChecked(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what a state says; what it lacks or cannot be stays.

        Files of weights that are gone by now are left out.
        """
        before = self.model_request()
        self.blockSignals(True)
        try:
            name = state.get('model')
            if _is_model(name):
                self._show_name(name)
            for combo, key in (
                (self.device, 'device'),
                (self.precision, 'precision'),
                (self.activation, 'activation'),
            ):
                if key in state:
                    select(combo, state[key])
            self.weights.set_state(
                state.get('weights'),
                {*registry.REGISTRY, self.name} - {registry.DEMO_NAME},
            )
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
            self._import.start()
            self._timer.start()

    def _look_when_ready(self) -> None:
        if not self._import.is_alive():
            self._timer.stop()
            self.refresh()

    def _on_chosen(self, _index: int = 0) -> None:
        self._show_model()
        self._forget_choice()
        self.changed.emit()

    def _on_typed(self) -> None:
        # Also called when the focus leaves a name that is as it was.
        name = self.typed.text().strip()
        if name != self._taken:
            self._taken = name
            self._on_chosen()

    def _show_model(self) -> None:
        """Show what belongs to the model that is chosen now."""
        name = self.name
        is_other = self.model.currentData() == OTHER_NAME
        self._top.setRowVisible(self.typed, is_other)
        presence = self.model.currentData(PRESENCE_ROLE) or ''
        about = model_messages.NOTHING_TYPED
        try:
            if name == registry.DEMO_NAME:
                about = model_messages.DEMO_ABOUT
            elif name:
                about = model_messages.describe_typed(name)
            if is_other and name:
                presence = find_presence(name)
        except ModelError as error:
            about = str(error)
        self.about.setText(about)
        self.weights.show_for(name, takes_files=takes_files(name))
        text = model_messages.describe_model_weights(
            presence, self.weights.path
        )
        self.presence.setText(text)
        self.presence.setVisible(bool(text))

    def _forget_choice(self) -> None:
        self.choice.setText(model_messages.NOT_YET_CHOSEN)


def _make_wrapped_label(name: str) -> QLabel:
    label = make_wrapped_label()
    label.setAccessibleName(name)
    return label


def _import_hub() -> None:
    """Import what looking needs: a quarter of a second, not of the window."""
    import huggingface_hub

    # Its modules are imported when something of them is first asked for.
    _ = huggingface_hub.try_to_load_from_cache


def _is_model(name: object) -> TypeGuard[str]:
    """Return whether a name from elsewhere is a model's."""
    if not isinstance(name, str):
        return False
    try:
        registry.check_choice(name, has_weights=False)
    except ModelError:
        return False
    return True
