"""``napari-naclip info``: what someone who helps needs to know."""

from __future__ import annotations

import platform
import shutil
from importlib import metadata
from pathlib import Path

from napari_naclip.cli.console import format_size
from napari_naclip.engine.recipe import package_versions
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.io.folders import cache_folder, folder_size

#: Packages of the window, which need not be installed.
_WINDOW_PACKAGES = ('napari', 'PyQt6', 'PySide6', 'PyQt5', 'PySide2')

#: Characters of a device's problem that are printed as they are.
_LONGEST_PROBLEM = 300


def run_info() -> int:
    """Print versions, devices, cache folders and free space."""
    print('Versions')
    for package, version in (*package_versions().items(), *_window()):
        print(f'  {package} {version}')
    print(f'  {platform.platform()}')
    _print_devices()
    _print_folders()
    return 0


def _window() -> list[tuple[str, str]]:
    found = []
    for package in _WINDOW_PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            continue
    missing = [('napari', 'not installed')] if not found else []
    return found or missing


def _print_devices() -> None:
    from napari_naclip.engine.device import (
        UNTESTED,
        choose_compute,
        report_devices,
    )

    print('Devices')
    for report in report_devices():
        state = _shorten(report.problem) or 'works'
        if not report.problem and report.type in UNTESTED:
            state += ', but no release has been tested on this kind'
        print(f'  {report.type} ({report.description}): {state}')
    print(f'  "auto" means {choose_compute()}')


def _shorten(problem: str) -> str:
    # torch explains some of them with a list of all that it can do.
    if len(problem) <= _LONGEST_PROBLEM:
        return problem
    return problem.split('. ')[0] + '.'


def _print_folders() -> None:
    from huggingface_hub import constants

    from napari_naclip.engine.hub import (
        find_cached,
        find_started,
        weights_folder,
    )

    cache, weights = cache_folder(), weights_folder()
    hub = Path(constants.HF_HUB_CACHE)
    found = [find_cached(entry) for entry in REGISTRY.values()]
    shared = sum(
        path.stat().st_size
        for path in found
        if path is not None and not path.is_relative_to(weights)
    )
    print('Folders')
    for title, name in (
        ('encoded texts', 'text'),
        ('features of images', 'features'),
    ):
        _print_folder(title, cache / name, folder_size(cache / name))
    _print_folder('weights, downloaded', weights, folder_size(weights))
    _print_folder("weights of other programs (the hub's cache)", hub, shared)
    for entry in REGISTRY.values():
        started = find_started(entry)
        if started is not None:
            print(
                f'  {entry.name}: {format_size(started.present)} of '
                f'{format_size(started.size)} downloaded; it goes on from '
                'there'
            )


def _print_folder(title: str, folder: Path, size: int) -> None:
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    print(
        f'  {title}: {folder}, {format_size(size)} used here, '
        f'{format_size(free)} free'
    )
