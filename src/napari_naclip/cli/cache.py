"""``napari-naclip cache``: what is kept of images, and how much may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.cli.console import format_size, print_note

if TYPE_CHECKING:
    import argparse

    from napari_naclip.engine.store import Usage


def run_cache(arguments: argparse.Namespace) -> int:
    """Clear, set budgets if asked for, and print what there is then."""
    # Imports numpy, which the parser must do without.
    from napari_naclip.engine.outputs import output_budget
    from napari_naclip.engine.store.budgets import parse_size
    from napari_naclip.io import kept_features

    memory, disk, outputs = (
        None if text is None else parse_size(text)
        for text in (arguments.memory, arguments.disk, arguments.outputs)
    )
    if arguments.action == 'clear':
        kept_features.shared_store().clear()
    if any(size is not None for size in (memory, disk, outputs)):
        kept_features.save_budgets(memory=memory, disk=disk, outputs=outputs)
        for name in kept_features.overriding_variables():
            print_note(f'{name} is set, and wins over what is kept here.')
    _print(kept_features.shared_store().usage(), output_budget())
    return 0


def _print(usage: Usage, outputs: int) -> None:
    used = f'{format_size(usage.disk_size)} in {usage.disk_windows} windows'
    print('Features of images, so that a repeated run need not look again')
    print(f'  in memory, while a program runs: {_limit(usage.memory_budget)}')
    print(f'  on disk: {used}, {_limit(usage.disk_budget)}')
    print(f'  folder: {usage.folder}')
    print('Labels and confidence; what is more goes to the disk')
    print(f'  in memory, while a program runs: {_limit(outputs)}')
    if usage.problem:
        print_note(usage.problem)


def _limit(budget: int) -> str:
    return f'at most {format_size(budget)}' if budget else 'turned off'
