"""What to do when the weights are not on this machine: three buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_naclip.ui import messages

if TYPE_CHECKING:
    from napari_naclip.engine.errors import WeightsMissingError


class WeightsOffer(QWidget):
    """Hidden until a run needs weights that are missing.

    Signals
    -------
    download_chosen, file_chosen, demo_chosen
        The button that was pressed.
    """

    download_chosen = Signal()
    file_chosen = Signal()
    demo_chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.download = QPushButton('Download and run')
        self.download.setToolTip(
            'Fetches the weights once from the Hugging Face Hub.'
        )
        self.file = QPushButton('Choose a file…')
        self.file.setToolTip('Weights that are already on this machine.')
        self.demo = QPushButton('Use the demo model')
        self.demo.setToolTip(
            'A tiny model that comes along. It knows few words and drawn '
            'scenes, no photographs.'
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (self.download, self.file, self.demo):
            layout.addWidget(button)
        self.download.clicked.connect(self._on_download)
        self.file.clicked.connect(self._on_file)
        self.demo.clicked.connect(self._on_demo)
        self.hide()

    def show_for(self, error: WeightsMissingError) -> None:
        """Offer what can be done about missing weights."""
        size = messages.describe_size(error.size)
        self.download.setText(f'Download ({size}) and run')
        self.show()

    def _on_download(self) -> None:
        self.hide()
        self.download_chosen.emit()

    def _on_file(self) -> None:
        self.hide()
        self.file_chosen.emit()

    def _on_demo(self) -> None:
        self.hide()
        self.demo_chosen.emit()
