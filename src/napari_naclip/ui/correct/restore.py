"""Edits of a session that ended without closing: offered, and restored."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.correct.model_labels import WRITTEN_KEY, ModelLabels
from napari_naclip.io.edit_thread import EDIT_THREAD
from napari_naclip.io.folders import edits_folder, folder_size
from napari_naclip.io.known_image import describe_image
from napari_naclip.io.layer_files import layer_attributes
from napari_naclip.io.saved_edits import MANY_BYTES, SavedEdits, find_saved
from napari_naclip.ui.correct import edit_messages as messages
from napari_naclip.ui.correct.failures import describe_failure

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_naclip.ui.run_panel import RunPanel

#: Milliseconds between two looks at the thread that reads.
_LOOK: Final = 30


class RestoreOffer(QGroupBox):
    """Hidden until there are edits to restore.

    Attributes
    ----------
    restore, discard : QPushButton
    note : QLabel
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__('Edits of the last session', parent)
        self.setAccessibleName('Edits of the last session')
        self.note = QLabel()
        self.note.setAccessibleName('About the edits')
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum
        )
        self.restore = _make_button(
            'Restore', 'Add the labels as they were saved, edits included.'
        )
        self.discard = _make_button(
            'Discard', 'Remove the saved edits. They do not come back.'
        )
        row = QHBoxLayout()
        row.addWidget(self.restore)
        row.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.addWidget(self.note)
        layout.addLayout(row)
        self.hide()

    def show_text(self, text: str) -> None:
        """Offer something; an empty text hides the offer."""
        self.note.setText(text)
        self.setAccessibleDescription(text)
        self.setVisible(bool(text))


def _make_button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setAccessibleName(text)
    button.setToolTip(tooltip)
    return button


class EditRestorer(QObject):
    """Finds what was saved, and does what the person chooses.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    offer : RestoreOffer
    panel : RunPanel
        Shows what was done.
    parent : QObject
    """

    def __init__(
        self,
        viewer: ViewerModel,
        offer: RestoreOffer,
        panel: RunPanel,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._offer = offer
        self._panel = panel
        self._saved: list[SavedEdits] = []
        self._read: list[tuple[SavedEdits, Any]] = []
        # What takes much room, in words.
        self._size_note = ''
        self._thread: threading.Thread | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK)
        self._timer.timeout.connect(self._look)
        offer.restore.clicked.connect(self._on_restore)
        offer.discard.clicked.connect(self._on_discard)

    def open(self) -> None:
        """Look for edits that were left behind."""
        self._saved = find_saved(edits_folder())
        self._viewer.layers.events.inserted.connect(self._on_layers)
        self._look_at_size()
        self._show()

    def close(self) -> None:
        """Leave what is not restored for another time."""
        self._viewer.layers.events.inserted.disconnect(self._on_layers)
        for each in self._saved:
            each.close()
        self._saved = []
        self._show()

    def _look_at_size(self) -> None:
        """Find out whether all that was saved is too much."""
        folder = edits_folder()
        size = folder_size(folder)
        self._size_note = (
            messages.describe_size(size, str(folder))
            if size > MANY_BYTES
            else ''
        )

    def _on_layers(self, _event: object = None) -> None:
        if self._saved:
            self._show()

    def _show(self) -> None:
        if not self._saved:
            self._offer.show_text('')
            return
        saved = self._saved[0]
        saved.mark_offered()
        name = str(saved.head.get('layer', {}).get('name') or 'labels')
        text = messages.describe_offer(
            name, float(saved.head['saved']), is_open=self._has_image()
        )
        self._offer.show_text(f'{text} {self._size_note}'.rstrip())

    def _has_image(self) -> bool:
        """Return whether the image of the first edits is open."""
        wanted = self._saved[0].head.get('image')
        if not isinstance(wanted, dict):
            return False
        for layer in self._viewer.layers:
            if not isinstance(layer, Image):
                continue
            data = layer.data[0] if layer.multiscale else layer.data
            if list(data.shape) != wanted.get('shape'):
                continue
            # Others may have to be read from far.
            if not isinstance(data, np.ndarray) or (
                describe_image(data) == wanted
            ):
                return True
        return False

    def _on_restore(self) -> None:
        if not self._saved or self._thread is not None:
            return
        saved, read = self._saved[0], self._read

        def work() -> None:
            try:
                labels, written, accepted = saved.load()
                under = saved.load_under(written)
                model = ModelLabels(written, accepted=accepted, under=under)
                read.append((saved, (labels, model)))
            except Exception as error:  # noqa: BLE001 - it is told
                read.append((saved, error))

        self._offer.setEnabled(False)
        self._panel.show_rest(messages.RESTORING)
        self._thread = threading.Thread(
            target=work, name='napari-naclip restore', daemon=True
        )
        self._thread.start()
        self._timer.start()

    def _look(self) -> None:
        """Add the labels when they are read."""
        if self._thread is None or self._thread.is_alive():
            return
        self._thread = None
        self._timer.stop()
        self._offer.setEnabled(True)
        saved, made = self._read.pop()
        if saved not in self._saved:
            # The panel was closed in the meantime.
            return
        try:
            self._add(saved, made)
        except Exception as error:  # noqa: BLE001 - it is told
            self._panel.show_refusal(
                describe_failure(
                    error,
                    no_memory=messages.NO_MEMORY_TO_RESTORE,
                    unexpected=messages.RESTORING_FAILED,
                )
            )
            return
        # Only then are they not needed any more.
        self._saved.remove(saved)
        EDIT_THREAD.remove_at_end(id(saved), saved.discard)
        self._panel.show_rest(messages.RESTORED)
        self._show()

    def _add(self, saved: SavedEdits, made: Any) -> None:
        """Add a layer of what was read; raise what went wrong."""
        if isinstance(made, Exception):
            raise made
        labels, model = made
        attributes = layer_attributes(saved.head['layer'])
        attributes.setdefault('metadata', {})[WRITTEN_KEY] = model
        self._viewer.add_labels(labels, **attributes)

    def _on_discard(self) -> None:
        if self._saved and self._thread is None:
            self._saved.pop(0).discard()
            self._look_at_size()
            self._show()
