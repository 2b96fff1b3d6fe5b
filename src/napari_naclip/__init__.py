"""Words in, mask out: NACLIP in napari, on the command line and in Python.

The names below are imported when they are first used, so that napari can
list the plugin without loading torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_naclip.engine.beyond import Beyond
    from napari_naclip.engine.models import load_model
    from napari_naclip.engine.segment import segment
    from napari_naclip.engine.types import ClassList, Segmentation, Settings

__all__ = [
    'Beyond',
    'ClassList',
    'Segmentation',
    'Settings',
    'load_model',
    'segment',
]

_HOMES = {
    'Beyond': 'beyond',
    'ClassList': 'types',
    'Segmentation': 'types',
    'Settings': 'types',
    'load_model': 'models',
    'segment': 'segment',
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    import importlib

    home = importlib.import_module(f'{__name__}.engine.{_HOMES[name]}')
    return getattr(home, name)
