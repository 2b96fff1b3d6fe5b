"""What stands below the class list: hints on its words, and an offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_naclip.engine.language import describe_foreign, find_foreign
from napari_naclip.io.presets import load_preset
from napari_naclip.io.template_sets import DEFAULT_KEY, load_template_set
from napari_naclip.ui.forms import make_wrapped_label
from napari_naclip.ui.words import messages

if TYPE_CHECKING:
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.words.chooser import TemplateChooser


class WordNotes(QWidget):
    """Hints that forbid nothing; hidden while there is nothing to say.

    Parameters
    ----------
    classes : ClassPanel
        Whose words are looked at.
    templates : TemplateChooser
        Where the set that suits a list of the package is chosen.

    Attributes
    ----------
    english : QLabel
        Which prompts do not look English.
    use : QPushButton
        Chooses the template set that suits the list that was taken.
    """

    def __init__(
        self,
        classes: ClassPanel,
        templates: TemplateChooser,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._classes = classes
        self._templates = templates
        self._offered = DEFAULT_KEY
        self.english = make_wrapped_label()
        self.use = QPushButton()
        # A long title must not decide how wide the dock is.
        self.use.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.english)
        layout.addWidget(self.use)
        self.use.hide()
        self._look()
        classes.state_changed.connect(self._look)
        classes.actions_row.preset_chosen.connect(self._on_preset)
        templates.changed.connect(self._withdraw)
        self.use.clicked.connect(self._on_use)

    def _look(self) -> None:
        text = describe_foreign(
            find_foreign(
                prompt
                for row in self._classes.rows()
                if row.is_on
                for prompt in row.prompts
            )
        )
        self.english.setText(text)
        self.english.setAccessibleName(text)
        self.english.setVisible(bool(text))
        self._show()

    def _on_preset(self, key: str, _is_replacing: bool) -> None:
        """Offer the templates of a list that was taken, if they are others."""
        each = load_template_set(load_preset(key).template_set)
        self._offered = each.key
        name = messages.USE_SET.format(each.title)
        self.use.setText(name)
        self.use.setAccessibleName(name)
        self.use.setToolTip(messages.USE_SET_TIP.format(each.description))
        self.use.setVisible(each.key != self._templates.key)
        self._show()

    def _on_use(self) -> None:
        self._templates.choose(self._offered)

    def _withdraw(self) -> None:
        self.use.hide()
        self._show()

    def _show(self) -> None:
        # Nothing but spacing would stay.
        self.setVisible(bool(self.english.text()) or not self.use.isHidden())
