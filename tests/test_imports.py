"""What an import pulls in, each in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

WINDOWS = (
    'napari',
    'qtpy',
    'superqt',
    'magicgui',
    'vispy',
    'PyQt5',
    'PyQt6',
    'PySide6',
)
HEAVY = (
    'torch',
    'torchvision',
    'open_clip',
    'timm',
    'huggingface_hub',
    'skimage.segmentation',
)


def imported(statement: str, names: tuple[str, ...]) -> str:
    """Return which of the packages a statement has imported."""
    code = (
        f'import sys; {statement}; '
        f'print(*(name for name in {names!r} if name in sys.modules))'
    )
    child = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.strip()


def test_the_engine_needs_no_window() -> None:
    modules = (
        'napari_naclip.engine.segment',
        'napari_naclip.engine.weights',
        'napari_naclip.engine.device',
        'napari_naclip.engine.clip.load',
    )
    assert imported(f'import {", ".join(modules)}', WINDOWS) == ''


def test_the_package_is_light() -> None:
    assert imported('import napari_naclip', (*HEAVY, *WINDOWS)) == ''


def test_the_messages_of_the_engine_are_light() -> None:
    assert imported('import napari_naclip.engine.types', HEAVY) == ''


def test_the_package_gives_its_names_when_asked() -> None:
    statement = (
        'import napari_naclip; '
        '[getattr(napari_naclip, name) for name in napari_naclip.__all__]'
    )
    assert imported(statement, ('torch', 'open_clip')) == 'torch'


@pytest.mark.skipif(
    importlib.util.find_spec('napari') is None,
    reason='napari is not installed',
)
def test_the_widget_is_light() -> None:
    assert imported('import napari_naclip.ui.widget', HEAVY) == ''


@pytest.mark.parametrize(
    ('wish', 'expected'), [(None, True), ('1', True), ('0', False)]
)
@pytest.mark.parametrize(
    'modules',
    [
        ('napari_naclip.engine.clip.load', 'huggingface_hub.constants'),
        # As where another plugin of napari was first.
        ('huggingface_hub.constants', 'napari_naclip.engine.hub'),
    ],
)
def test_the_hub_s_telemetry_is_off_unless_it_was_turned_on(
    monkeypatch, modules: tuple[str, ...], wish: str | None, expected: bool
) -> None:
    for variable in (
        'HF_HUB_DISABLE_TELEMETRY',
        'DISABLE_TELEMETRY',
        'DO_NOT_TRACK',
    ):
        monkeypatch.delenv(variable, raising=False)
    if wish is not None:
        monkeypatch.setenv('HF_HUB_DISABLE_TELEMETRY', wish)
    statement = (
        f'import {", ".join(modules)}; '
        'from huggingface_hub import constants; '
        f'assert constants.HF_HUB_DISABLE_TELEMETRY is {expected}'
    )
    assert imported(statement, ()) == ''
