"""What the person set in napari's preferences for this plugin.

napari asks for these since 0.9, by the manifest's ``configurations``. They are
where a new widget starts; what is chosen in a widget wins. Older versions
know no such page and give the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine import registry

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_naclip.engine.device import Precision

#: The manifest's key of our settings. napari takes environment variables for
#: all plugins by the same prefix, so that it names the plugin too.
CONFIGURATION: Final = 'naclip_defaults'
#: Devices that can be preferred.
DEVICES: Final = ('auto', 'cpu', 'cuda', 'mps', 'xpu')
#: Precisions that can be preferred.
PRECISIONS: Final = ('auto', 'float32', 'bfloat16', 'float16')
#: Short sides in pixels that can be preferred, as the manifest has them.
DETAILS: Final[dict[str, int | None]] = {
    '336': 336,
    '448': 448,
    '560': 560,
    'full size': None,
}
#: Most cores that can be kept free.
MOST_RESERVED: Final = 64


@dataclass(frozen=True, slots=True)
class Preferences:
    """Where a new widget starts.

    Attributes
    ----------
    model : str
        Name in the registry, or the demo.
    device, precision : str
        As ``load_model`` takes them.
    detail : int or None
        Short side of the image in pixels; None: as it is.
    reserved_cores : int
        Processor cores that a run leaves to the window, 0 to 64.
    """

    model: str = registry.DEFAULT_NAME
    device: str = 'auto'
    precision: Precision = 'auto'
    detail: int | None = 336
    reserved_cores: int = 1


def read_preferences() -> Preferences:
    """Return what is set in napari; a default for what is not, or not so."""
    group = _read_group()
    base = Preferences()
    cores = getattr(group, 'reserved_cores', base.reserved_cores)
    if not isinstance(cores, int) or not 0 <= cores <= MOST_RESERVED:
        cores = base.reserved_cores
    detail = _pick(group, 'detail', DETAILS, str(base.detail))
    precision: Any = _pick(group, 'precision', PRECISIONS, base.precision)
    return Preferences(
        model=_pick(group, 'model', registry.MODEL_NAMES, base.model),
        device=_pick(group, 'device', DEVICES, base.device),
        precision=precision,
        detail=DETAILS[detail],
        reserved_cores=cores,
    )


def _pick(
    group: object, name: str, choices: Collection[str], default: str
) -> str:
    value = getattr(group, name, default)
    return value if value in choices else default


def _read_group() -> object:
    """Return napari's object with our settings, or None."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # napari before 0.9
        return None
    try:
        return getattr(
            get_plugin_settings('napari-naclip'), CONFIGURATION, None
        )
    except KeyError:  # napari knows no settings of ours
        return None
