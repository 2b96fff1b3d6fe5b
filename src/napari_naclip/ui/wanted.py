"""What labels should be, by what a panel shows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from napari_naclip.ui.kept_live import Shown

if TYPE_CHECKING:
    from napari_naclip.engine.types import Settings
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.kept_live import KeptLive
    from napari_naclip.ui.options import Options


def find_wanted(
    kept: KeptLive, classes: ClassPanel, options: Options
) -> Shown:
    """Return what the labels of a plane or region should be.

    Parameters
    ----------
    kept : KeptLive
    classes : ClassPanel
    options : Options
    """
    listed = classes.class_list()
    settings: Settings = dataclasses.replace(
        kept.settings, **options.settings_part()
    )
    return Shown(
        listed,
        dataclasses.replace(
            settings, threshold=classes.threshold(listed, settings)
        ),
        classes.locked_values(),
    )
