"""``napari-naclip models``: what can be loaded and what is here already."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from napari_naclip.cli.console import format_size
from napari_naclip.engine.registry import DEFAULT_NAME, DEMO_NAME, REGISTRY

if TYPE_CHECKING:
    from napari_naclip.engine.registry import RegistryEntry


def run_models() -> int:
    """Print a table of the models; looks at files only."""
    bundled = resources.files('napari_naclip.demo').joinpath(
        'model.safetensors'
    )
    size = len(bundled.read_bytes()) if bundled.is_file() else 0
    rows = [('NAME', 'HERE', 'DOWNLOAD', 'LICENSE', 'WHAT IT IS')]
    for entry in REGISTRY.values():
        is_default = entry.name == DEFAULT_NAME
        rows.append(
            (
                entry.name + (' (default)' if is_default else ''),
                _describe_presence(entry),
                format_size(entry.download_size),
                entry.license,
                entry.title,
            )
        )
    rows.append(
        (
            DEMO_NAME,
            'bundled' if size else 'missing',
            'none',
            'CC0-1.0',
            f'tiny, for trying out: knows few words ({format_size(size)})',
        )
    )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        print('  '.join(f'{text:{width}}' for text, width in cells).rstrip())
    return 0


def _describe_presence(entry: RegistryEntry) -> str:
    from napari_naclip.engine.hub import find_cached, find_started

    if find_cached(entry):
        return 'yes'
    started = find_started(entry)
    if started is None:
        return 'no'
    return f'{100 * started.present // started.size}%'
