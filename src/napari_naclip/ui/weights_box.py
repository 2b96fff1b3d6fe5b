"""Files of weights that are used instead of the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine import registry
from napari_naclip.engine.errors import ModelError
from napari_naclip.ui import model_messages
from napari_naclip.ui.forms import make_wrapped_label
from napari_naclip.ui.question import Question

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_naclip.engine.guess import Guess


class WeightsBox(QWidget):
    """The file of the chosen model, if it has one, and what it looks like.

    A file is kept for its model while others are chosen. A file that was
    just chosen is looked into, and passed to a model that it fits.

    Attributes
    ----------
    look : QLabel
        What the file looks like; whoever owns the box gives it a place.

    Signals
    -------
    changed
        Another file was chosen, or none.
    fits(str)
        The file is for this other model, which now has it.
    looked
        What the file looks like is told.
    """

    changed = Signal()
    fits = Signal(str)
    looked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = ''
        self._files: dict[str, Path] = {}
        self._looks: dict[str, str] = {}
        self._file_look = Question(_look_into, self)
        self._file_look.answered.connect(self._on_found)
        self.file = make_wrapped_label()
        self.file.setAccessibleName('Weights in use')
        self.look = make_wrapped_label()
        self.look.setAccessibleName('What the file looks like')
        self.browse = QPushButton('Choose…')
        self.browse.setAccessibleName('Choose a file of weights')
        self.clear = QPushButton('Clear')
        self.clear.setAccessibleName('Use the published weights again')
        self.clear.setToolTip('Takes the published weights again.')
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.file)
        buttons = QHBoxLayout()
        buttons.addWidget(self.browse)
        buttons.addWidget(self.clear)
        layout.addLayout(buttons)
        self.browse.clicked.connect(self.ask)
        self.clear.clicked.connect(self._on_clear)

    @property
    def path(self) -> Path | None:
        """The file of the chosen model."""
        return self._files.get(self._name)

    @property
    def is_looking(self) -> bool:
        """Whether a file is still looked into."""
        return self._file_look.is_open

    def show_for(self, name: str, *, takes_files: bool) -> None:
        """Show the file of a model, which is chosen now."""
        self._name = name
        path = self.path
        self.file.setText(model_messages.describe_weights(path))
        self.file.setToolTip(str(path) if path else '')
        text = self._looks.get(name, '') if path else ''
        self.look.setText(text)
        self.look.setVisible(bool(text))
        self.browse.setEnabled(takes_files)
        self.browse.setToolTip(
            model_messages.FILE_TIP if takes_files else model_messages.NO_FILES
        )
        self.clear.setEnabled(path is not None)

    def ask(self, _checked: bool = False) -> bool:
        """Let the person choose a file; return whether one was chosen."""
        path, _ = QFileDialog.getOpenFileName(
            self,
            f'Weights of {self._name}',
            filter='Weights (*.safetensors *.pt *.pth *.bin);;All files (*)',
        )
        if not path:
            return False
        self.use(Path(path))
        return True

    def use(self, path: Path) -> None:
        """Use a file for the chosen model, and look into it.

        Raises
        ------
        ModelError
            If the model is the demo, which has its own.
        """
        registry.check_choice(self._name, has_weights=True)
        self._files[self._name] = path
        self._looks.pop(self._name, None)
        self._file_look.ask(path)
        self.changed.emit()

    def state(self) -> dict[str, str]:
        """Return the files by model, fit for JSON."""
        return {name: str(path) for name, path in self._files.items()}

    def set_state(self, state: object, known: Collection[str]) -> None:
        """Take files by model; those that are gone by now are left out."""
        if isinstance(state, dict):
            self._files = {
                name: Path(path)
                for name, path in state.items()
                if name in known
                and isinstance(path, str)
                and _is_file(Path(path))
            }

    def _on_clear(self) -> None:
        self._files.pop(self._name, None)
        self._file_look.forget()
        self.changed.emit()

    def _on_found(self, path: Path, found: Guess | Exception) -> None:
        before = after = self._name
        if self.path != path:
            return  # another file or model was chosen since
        if isinstance(found, Exception):
            text = str(found)
        else:
            fits = _fits(found, before)
            if found.models and fits is False:
                after, fits = found.models[0], True
                self._files[after] = self._files.pop(before)
            text = model_messages.describe_look(
                path, found, before, after, fits=fits
            )
        self._looks[after] = text
        if after != before:
            self.fits.emit(after)
        else:
            self.show_for(before, takes_files=True)
        self.looked.emit()


def _look_into(path: Path) -> Guess:
    # Imported here, in the thread: torch takes seconds.
    from napari_naclip.engine.guess import guess_file

    return guess_file(path)


def _fits(found: Guess, name: str) -> bool | None:
    """Return whether a model is built so; None: not known."""
    try:
        return found.fits(registry.find_model(name))
    except ModelError:  # the name "auto", or of a folder that is gone
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # such as a name that is too long
        return False


def takes_files(name: str) -> bool:
    """Return whether a model can have another file of weights."""
    try:
        registry.check_choice(name, has_weights=True)
    except ModelError:
        return False
    return True
