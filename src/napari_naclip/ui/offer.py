"""What to do when the weights are not on this machine: buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGroupBox,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine import hub, registry
from napari_naclip.ui import messages, model_messages
from napari_naclip.ui.question import Question

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent

    from napari_naclip.engine.errors import WeightsMissingError


class WeightsOffer(QGroupBox):
    """Hidden until a run needs weights that are missing.

    Return presses the button that has the focus; Escape takes the offer away.

    Signals
    -------
    download_chosen, file_chosen, demo_chosen
        The button that was pressed.
    dismissed
        Escape was pressed.
    """

    download_chosen = Signal()
    file_chosen = Signal()
    demo_chosen = Signal()
    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__('Weights are missing', parent)
        self.setAccessibleName('Weights are missing')
        self.note = QLabel()
        self.note.setAccessibleName('About the weights')
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum
        )
        self.download = QPushButton('Download and run')
        self.ask = QPushButton(model_messages.ASK_SIZE)
        self.ask.setToolTip(model_messages.ASK_SIZE_TIP)
        self.file = QPushButton('Choose a file…')
        self.file.setToolTip(
            'Takes weights of this model that are already on this machine.'
        )
        self.demo = QPushButton('Use the demo model')
        self.demo.setToolTip(
            'A tiny model that comes along. It knows only drawn scenes and '
            'few words: sand, water, grass, forest, road and some more.'
        )
        layout = QVBoxLayout(self)
        for widget in (
            self.download,
            self.ask,
            self.file,
            self.demo,
            self.note,
        ):
            layout.addWidget(widget)
        self._model = ''
        self._question = Question(_ask_size, self)
        self._question.answered.connect(self._on_size)
        self.ask.clicked.connect(self._on_ask)
        self.download.clicked.connect(self._on_download)
        self.file.clicked.connect(self._on_file)
        self.demo.clicked.connect(self._on_demo)
        self.hide()

    def show_for(self, error: WeightsMissingError) -> None:
        """Offer what can be done about missing weights."""
        if error.present:
            left = messages.describe_size(error.size - error.present)
            self.download.setText(f'Resume ({left} left) and run')
            parts = messages.describe_parts(error.present, error.size)
            self.download.setToolTip(
                f'Resumes the download: {parts} are already here.'
            )
        else:
            self.download.setText(model_messages.describe_download(error.size))
            self.download.setToolTip(
                'Fetches the weights once. If you cancel, what has arrived '
                'is kept.'
            )
        self._question.forget()
        self._model = error.model
        # Of a model that was typed only the hub knows the size.
        self.ask.setVisible(not error.size)
        self.ask.setEnabled(True)
        self.ask.setText(model_messages.ASK_SIZE)
        entry = registry.find_model(error.model)
        self.note.setText(
            model_messages.describe_offer(entry, hub.weights_folder())
        )
        self.setAccessibleDescription(self.note.text())
        self.show()
        self.download.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Answer the keys that are said in the class's description."""
        if event is None:
            return
        focused = self.focusWidget()
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
            self.dismissed.emit()
        elif event.key() in (
            Qt.Key.Key_Return,
            Qt.Key.Key_Enter,
        ) and isinstance(focused, QPushButton):
            focused.click()
        else:
            super().keyPressEvent(event)

    def _on_ask(self) -> None:
        self.ask.setEnabled(False)
        self.ask.setText(model_messages.ASKING_SIZE)
        self.download.setFocus(Qt.FocusReason.OtherFocusReason)
        self._question.ask(self._model)

    def _on_size(self, _model: str, size: int | Exception) -> None:
        self.ask.setText(model_messages.ASK_SIZE)
        self.ask.setEnabled(True)
        if isinstance(size, Exception):
            self.note.setText(f'{size} {self.note.text()}')
            self.setAccessibleDescription(self.note.text())
        else:
            self.ask.hide()
            self.download.setText(model_messages.describe_download(size))

    def _on_download(self) -> None:
        self.hide()
        self.download_chosen.emit()

    def _on_file(self) -> None:
        self.hide()
        self.file_chosen.emit()

    def _on_demo(self) -> None:
        self.hide()
        self.demo_chosen.emit()


def _ask_size(name: str) -> int:
    # Imported here, in the thread: much comes with it.
    from napari_naclip.engine.download import ask_size
    from napari_naclip.engine.segmenter import run_to_end

    return run_to_end(ask_size(registry.find_model(name)))
