"""``napari-naclip demo``: a drawn scene and its result, window or not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_naclip.cli.console import (
    ProgressBar,
    format_shares,
    print_note,
)
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.registry import DEMO_NAME
from napari_naclip.io.atomic import check_target, write_atomically
from napari_naclip.io.folders import text_cache_folder
from napari_naclip.io.labels import class_shares

if TYPE_CHECKING:
    import argparse

#: What is written when no name is given; a run replaces an earlier one's.
DEFAULT_PICTURE: Final = Path('naclip-demo.png')
#: Seconds that Qt gets to open the display.
_PROBE_TIMEOUT: Final = 60

_BINDINGS = ('PyQt6', 'PySide6', 'PyQt5', 'PySide2')


def run_demo(arguments: argparse.Namespace) -> int:
    """Show the demo in a window, or write it as a picture."""
    screenshot: Path | None = arguments.screenshot
    if screenshot is not None:
        if screenshot.suffix.lower() != '.png':
            raise InputError(
                f'{screenshot} does not end in .png, the kind of picture '
                'that the demo writes. Choose such a name.'
            )
        check_target(screenshot, overwrite=arguments.overwrite)
    reason = '' if arguments.headless else why_no_window()
    if not arguments.headless and not reason:
        try:
            from napari_naclip.ui.demo import show_demo
        except ImportError as error:
            # A package is there but a library that it needs is not.
            reason = f'napari cannot be loaded ({error})'
        else:
            show_demo(screenshot)
            return 0
    if reason:
        print_note(f'{reason}, so that the result is saved as a picture.')
    _write_demo(
        screenshot or DEFAULT_PICTURE,
        overwrite=screenshot is None or arguments.overwrite,
    )
    return 0


def why_no_window() -> str:
    """Return why napari cannot open a window here; empty if it can."""
    if importlib.util.find_spec('napari') is None:
        return (
            'napari is not installed (pip install "napari-naclip[all]" '
            'brings it)'
        )
    if not any(importlib.util.find_spec(name) for name in _BINDINGS):
        return (
            'no Qt is installed (pip install "napari-naclip[all]" brings it)'
        )
    if not sys.platform.startswith('linux'):
        return ''
    if not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        return 'there is no display'
    # A display that does not answer, or a system library that Qt lacks, ends
    # the process without a word that Python could catch: so another process
    # tries it.
    probe = 'from qtpy.QtWidgets import QApplication; QApplication([])'
    try:
        subprocess.run(
            [sys.executable, '-c', probe],
            check=True,
            capture_output=True,
            timeout=_PROBE_TIMEOUT,
        )
    except (subprocess.SubprocessError, OSError):
        return 'Qt cannot open the display'
    return ''


def _write_demo(path: Path, *, overwrite: bool) -> None:
    check_target(path, overwrite=overwrite)
    with ProgressBar(None) as bar:
        from napari_naclip.demo.scenes import demo_scene
        from napari_naclip.engine.models import load_model
        from napari_naclip.engine.segment import segment

        scene, classes = demo_scene()
        model = load_model(
            DEMO_NAME, cache_folder=text_cache_folder(), progress=bar
        )
        result = segment(scene.image, classes, model=model, progress=bar)
    from napari_naclip.cli.picture import draw_result

    picture = draw_result(scene.image, result)
    with write_atomically(path, overwrite=overwrite) as temporary:
        picture.save(temporary, format='PNG')
    for notice in result.notices:
        print_note(notice)
    print(f'{path}: {format_shares(class_shares(result))}')
    # The scene counts its materials from 0, labels count classes from 1.
    accuracy = float((result.labels == scene.labels.astype(int) + 1).mean())
    print(f'pixels labeled correctly: {100 * accuracy:.1f} %')
