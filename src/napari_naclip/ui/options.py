"""How to look: model, device, detail, refinement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from napari_naclip.engine import registry
from napari_naclip.engine.types import Settings
from napari_naclip.ui.compute import ModelRequest

if TYPE_CHECKING:
    from pathlib import Path

#: Short sides in pixels, as the paper has it first; None is full size.
_DETAILS: Final[dict[str, int | None]] = {
    '336 px': 336,
    '448 px': 448,
    '560 px': 560,
    'full size': None,
}
_REFINEMENTS: Final = {
    'off': 'off',
    'fast': 'fast',
    'fine (slow)': 'fine',
}
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


class Options(QWidget):
    """Combo boxes for what decides the result besides image and words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._weights: tuple[str, Path] | None = None
        self.model = self._add(
            'Model',
            {name: name for name in registry.MODEL_NAMES},
            'The CLIP model. ViT-B-16 is the best choice for photographs; '
            'demo is a tiny one that comes along and knows few words.',
        )
        self.device = self._add(
            'Device',
            _DEVICES,
            'Where to compute. Automatic takes a graphics card that works.',
        )
        self.precision = self._add(
            'Precision',
            _PRECISIONS,
            'Automatic takes half precision where the device is made for it.',
        )
        self.detail = self._add(
            'Detail',
            _DETAILS,
            'Short side, in pixels, at which the model sees the image. More '
            'shows smaller things and takes longer.',
        )
        self.refinement = self._add(
            'Refinement',
            _REFINEMENTS,
            'Makes labels follow the edges of the picture (PAMR).',
        )

    def model_request(self, *, may_download: bool = False) -> ModelRequest:
        """Return which model to run, and where."""
        name = self.model.currentData()
        chosen = self._weights
        return ModelRequest(
            name=name,
            weights=chosen[1] if chosen and chosen[0] == name else None,
            device=self.device.currentData(),
            precision=self.precision.currentData(),
            may_download=may_download,
        )

    def settings(self, **known: Any) -> Settings:
        """Return settings with what is chosen here and what else is known."""
        return Settings(
            detail=self.detail.currentData(),
            refine=self.refinement.currentData(),
            **known,
        )

    def choose_model(self, name: str) -> None:
        """Choose a model by name."""
        self.model.setCurrentIndex(self.model.findData(name))

    def use_weights(self, path: Path) -> None:
        """Use a file of weights for the model that is chosen now."""
        self._weights = (self.model.currentData(), path)

    def _add(
        self, name: str, choices: dict[str, Any], tooltip: str
    ) -> QComboBox:
        combo = QComboBox()
        for text, value in choices.items():
            combo.addItem(text, value)
        combo.setAccessibleName(name)
        combo.setToolTip(tooltip)
        # A long entry must not decide how wide the dock is.
        combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        combo.setMinimumContentsLength(7)
        label = QLabel(name)
        label.setBuddy(combo)
        self._form.addRow(label, combo)
        return combo
