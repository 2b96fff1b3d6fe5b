"""``napari-naclip models``: what can be loaded, what is here, downloads."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from napari_naclip.cli.console import ProgressBar, format_size, print_note
from napari_naclip.engine.model_notices import license_notice
from napari_naclip.engine.registry import (
    DEFAULT_NAME,
    DEMO_NAME,
    REGISTRY,
    find_model,
)

if TYPE_CHECKING:
    import argparse

    from napari_naclip.engine.entry import RegistryEntry

#: Width of the names in the description of one model.
_LABEL_WIDTH = 12


def run_models(arguments: argparse.Namespace) -> int:
    """List, describe or download models; return the exit status.

    Listing and describing look at files only.
    """
    if arguments.action == 'download':
        for name in arguments.names:
            _download(name, progress=arguments.progress)
    elif arguments.action == 'show':
        for name in arguments.names:
            _show(name, asks=arguments.ask)
    else:
        _list()
    return 0


def _list() -> None:
    rows = [
        ('NAME', 'HERE', 'DOWNLOAD', 'MADE FOR', 'LICENSE', 'WHAT IT IS'),
        *(_row(entry) for entry in REGISTRY.values()),
    ]
    size = _demo_size()
    rows.append(
        (
            DEMO_NAME,
            'bundled' if size else 'missing',
            'none',
            'drawn scenes',
            'CC0-1.0',
            f'tiny, for trying out: knows few words ({format_size(size)})',
        )
    )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        print('  '.join(f'{text:{width}}' for text, width in cells).rstrip())


def _row(entry: RegistryEntry) -> tuple[str, ...]:
    is_default = entry.name == DEFAULT_NAME
    text = '. '.join(filter(None, (entry.title, entry.remarks)))
    return (
        entry.name + (' (default)' if is_default else ''),
        _describe_presence(entry),
        format_size(entry.download_size),
        entry.domain,
        entry.terms,
        text,
    )


def _show(name: str, *, asks: bool) -> None:
    """Print all that is known of one model; of its size ask the hub or not."""
    if name == DEMO_NAME:
        print(f'{name}: comes along ({format_size(_demo_size())})')
        return
    entry = find_model(name)
    about = entry.download_size
    size = f'about {format_size(about)}' if about else 'not known'
    if asks and entry.folder is None:
        size = f'{format_size(_ask_size(entry))}, says the hub'
    print(entry.name)
    for label, text in (
        ('what', entry.title),
        ('made for', entry.domain),
        ('license', entry.terms or 'not known: look at its page'),
        ('source', entry.source),
        ('note', entry.note),
        ('here', _describe_presence(entry)),
        ('download', size),
        ('hub', ' '.join((entry.repo, entry.file)).strip()),
        ('folder', str(entry.folder or '')),
        ('open_clip', '/'.join(filter(None, (entry.arch, entry.tag)))),
        ('activation', entry.activation),
        ('window', f'{entry.window} px, stride {entry.stride} px'),
        ('needs', 'transformers' if entry.needs_transformers else ''),
        ('state', 'experimental' if entry.is_experimental else ''),
    ):
        if text:
            print(f'  {label:{_LABEL_WIDTH}}{text}')


def _ask_size(entry: RegistryEntry) -> int:
    # Here and not above: these import much, which takes seconds.
    from napari_naclip.engine.download import ask_size
    from napari_naclip.engine.segmenter import run_to_end

    return run_to_end(ask_size(entry))


def _download(name: str, *, progress: bool | None) -> None:
    """Bring all of a model to this machine, and say where it is."""
    if name == DEMO_NAME:
        print(f'{name}: comes along')
        return
    entry = find_model(name)
    note_terms(entry)
    with ProgressBar(progress) as bar:
        # Here and not above: this imports torch, which takes seconds.
        from napari_naclip.engine.segmenter import run_to_end
        from napari_naclip.engine.sources import locate

        source = run_to_end(locate(entry, download=True), bar)
    size = source.path.stat().st_size
    print(f'{name}: {source.path} ({format_size(size)})')


def note_terms(entry: RegistryEntry) -> None:
    """Say what a license forbids, before its weights are downloaded."""
    notice = license_notice(entry)
    if notice:
        print_note(notice)


def _demo_size() -> int:
    bundled = resources.files('napari_naclip.demo').joinpath(
        'model.safetensors'
    )
    return len(bundled.read_bytes()) if bundled.is_file() else 0


def _describe_presence(entry: RegistryEntry) -> str:
    from napari_naclip.engine.hub import find_cached, find_started

    if find_cached(entry):
        return 'yes'
    started = find_started(entry)
    if started is None:
        return 'no'
    return f'{100 * started.present // started.size}%'
