"""What goes to the terminal: errors, notes, progress and percentages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from tqdm.std import tqdm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from napari_naclip.engine.types import Progress

#: What a stage is called in the bar.
STAGE_NAMES: Final = {
    'import': 'starting',
    'download': 'downloading',
    'load': 'loading model',
    'read': 'reading image',
    'text': 'encoding texts',
    'windows': 'looking at windows',
    'refine': 'refining',
}


def print_error(message: str) -> None:
    """Print an error in one line on standard error."""
    _print_line(f'napari-naclip: error: {message}')


def print_note(message: str) -> None:
    """Print something to know in one line on standard error."""
    _print_line(f'note: {message}')


def _print_line(text: str) -> None:
    print(' '.join(text.split()), file=sys.stderr, flush=True)


def format_shares(shares: Mapping[str, float]) -> str:
    """Return shares from 0 to 1, by name, as percentages in one line."""
    return ', '.join(
        f'{name} {100 * share:.1f} %' for name, share in shares.items()
    )


def format_size(size: int) -> str:
    """Return a number of bytes in MB or GB."""
    if size < 1_000_000_000:
        return f'{size / 1e6:.1f} MB' if size < 1e7 else f'{size / 1e6:.0f} MB'
    return f'{size / 1e9:.1f} GB'


class ProgressBar:
    """A bar on standard error with the stage and the time left.

    Parameters
    ----------
    is_shown : bool or None
        None: only on a terminal.
    title : str
        What is being worked on.
    """

    def __init__(self, is_shown: bool | None, title: str = '') -> None:
        self._is_shown = sys.stderr.isatty() if is_shown is None else is_shown
        self._title = f'{title}: ' if title else ''
        self._stage = ''
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def __call__(self, progress: Progress) -> None:
        """Show a step."""
        if not self._is_shown:
            return
        if self._bar is None or progress.stage != self._stage:
            self._close()
            self._stage = progress.stage
            is_bytes = progress.stage == 'download'
            self._bar = tqdm(
                desc=self._title + STAGE_NAMES[progress.stage],
                total=progress.total or None,
                unit='B' if is_bytes else '',
                unit_scale=is_bytes,
                leave=False,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format=None if progress.total else '{desc} ...',
            )
        bar = self._bar
        if progress.total and bar.total != progress.total:
            bar.total = progress.total
            bar.bar_format = None
        if progress.found > bar.initial:
            # They take next to no time, and tell nothing of the others'.
            more = progress.found - bar.initial
            bar.initial += more
            bar.n += more
            bar.last_print_n += more
            bar.set_postfix_str(f'{progress.found} kept', refresh=False)
        bar.update(progress.done - bar.n)
        bar.refresh()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
