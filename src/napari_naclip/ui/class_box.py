"""The words: classes, the background row and its threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import ClassList, threshold_from_margin

if TYPE_CHECKING:
    from napari_naclip.engine.types import Settings

#: Lines of text that the box shows without scrolling.
_LINES = 5
#: Largest margin of cosines that can be set; CLIP's margins are far smaller.
_MAX_MARGIN = 0.2


class ClassBox(QWidget):
    """Where classes are typed.

    Signals
    -------
    changed
        The text, the background or the threshold was changed.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # napari's themes style this kind of text box, not QPlainTextEdit.
        self.text = QTextEdit()
        self.text.setAcceptRichText(False)
        self.text.setAccessibleName('Classes')
        self.text.setPlaceholderText('sky\ntree, bush\nwater')
        self.text.setToolTip(
            'One class a line, or separated by ";". Synonyms of a class are '
            'separated by ",". Put a phrase with such a mark in quotes. The '
            'model reads English.'
        )
        self.text.setTabChangesFocus(True)
        metrics = self.text.fontMetrics()
        self.text.setMinimumHeight(metrics.lineSpacing() * (_LINES + 2))
        label = QLabel('Classes, one a line; synonyms by comma')
        label.setWordWrap(True)
        label.setBuddy(self.text)
        label.setSizePolicy(
            QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum
        )

        self.background = QCheckBox('Background')
        self.background.setToolTip(
            'A row for everything else (label 0). Without it every pixel '
            'gets one of the classes.'
        )
        self.background_words = QLineEdit()
        self.background_words.setAccessibleName('Background words')
        self.background_words.setPlaceholderText('words, or none')
        self.background_words.setToolTip(
            'What the background looks like, separated by commas: wall, '
            'floor. Without words it takes only the pixels below the '
            'certainty.'
        )
        self.margin = QDoubleSpinBox()
        self.margin.setAccessibleName('Certainty')
        self.margin.setRange(0, _MAX_MARGIN)
        self.margin.setDecimals(3)
        self.margin.setSingleStep(0.005)
        self.margin.setToolTip(
            'How far the best prompt must lead over equal rivals, as a '
            'difference of cosines (0 to 0.2). Pixels with less become '
            'background. 0: none.'
        )
        margin_label = QLabel('Certainty')
        margin_label.setBuddy(self.margin)

        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.background, self.background_words)
        form.addRow(margin_label, self.margin)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label)
        layout.addWidget(self.text)
        layout.addLayout(form)

        self.text.textChanged.connect(self._on_text_changed)
        self.background.toggled.connect(self._on_background_toggled)
        self.background_words.textChanged.connect(self.changed)
        self.margin.valueChanged.connect(self.changed)
        self._on_background_toggled(False)

    def class_list(self) -> ClassList:
        """Return what was typed.

        Raises
        ------
        InputError
            If it cannot be used.
        """
        words = None
        if self.background.isChecked() and not self._names_background():
            words = self.background_words.text()
        return ClassList.from_text(self.text.toPlainText(), background=words)

    def threshold(self, classes: ClassList, settings: Settings) -> float:
        """Return the probability that the certainty means for the classes."""
        if self.margin.value() == 0 or classes.background is None:
            return 0.0
        return threshold_from_margin(
            self.margin.value(), len(classes.queries), settings.logit_scale
        )

    def _names_background(self) -> bool:
        try:
            classes = ClassList.from_text(self.text.toPlainText())
        except InputError:
            return False
        return classes.background is not None

    def _on_text_changed(self) -> None:
        # A first entry "background" is the background row, with its words.
        is_named = self._names_background()
        if is_named:
            self.background.setChecked(True)
        self.background_words.setEnabled(
            self.background.isChecked() and not is_named
        )
        self.changed.emit()

    def _on_background_toggled(self, is_on: bool) -> None:
        self.background_words.setEnabled(
            is_on and not self._names_background()
        )
        self.margin.setEnabled(is_on)
        self.changed.emit()
