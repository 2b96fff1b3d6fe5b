"""Loading open_clip after a window exists must not kill the process.

Triton's library and the OpenGL driver (Mesa) each bring an LLVM; without the
guard in ``napari_naclip.engine.clip`` the second one to come dies by SIGSEGV.
A crash cannot be caught, so that everything happens in a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_naclip.engine import clip as guard

GOLDEN = Path(__file__).parents[1] / 'golden'

CHILD = """
import json, sys
import numpy as np
import napari

viewer = napari.Viewer(show=False)
viewer.add_image(np.zeros((20, 30), np.uint8))
assert 'triton' not in sys.modules
assert 'open_clip' not in sys.modules

from napari_naclip.engine.clip import load
assert 'triton' in sys.modules
assert 'open_clip' in sys.modules

from safetensors.torch import load_file
from napari_naclip import Settings, load_model, segment
from napari_naclip.engine.clip.text import clip_tokenizer

config = json.load(open(sys.argv[1] + '/cases.json'))['model_cfg']
state = load.expand_token_embedding(
    load_file(sys.argv[1] + '/weights.safetensors'), 49408
)
clip = load.build_clip(config)
load.fill(clip, state, source='golden')
result = segment(
    np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8),
    'sky; tree',
    model=load_model((clip, clip_tokenizer()), device='cpu'),
    settings=Settings(templates=('{}',), detail=96),
)
viewer.add_labels(result.labels)
viewer.screenshot(flash=False)
viewer.close()
print('alive')
"""


@pytest.mark.skipif(
    not sys.platform.startswith('linux'), reason='a clash of Linux libraries'
)
@pytest.mark.skipif(
    importlib.util.find_spec('triton') is None,
    reason='triton is not installed: there is nothing to clash',
)
@pytest.mark.skipif(
    importlib.util.find_spec('napari') is None,
    reason='napari is not installed',
)
@pytest.mark.skipif(
    not os.environ.get('DISPLAY'),
    reason='no display, so that no OpenGL driver is loaded (Xvfb is enough)',
)
def test_a_model_runs_after_a_window_was_opened(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        'QT_QPA_PLATFORM': 'xcb',
        'NAPARI_CONFIG': str(tmp_path / 'settings.yaml'),
        'OMP_NUM_THREADS': '1',
    }
    child = subprocess.run(
        [sys.executable, '-c', CHILD, str(GOLDEN)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.strip().endswith('alive')


@pytest.fixture
def no_triton(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the modules that are imported, with triton not yet there."""
    imported: list[str] = []
    monkeypatch.delitem(sys.modules, 'triton', raising=False)
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.setattr(
        guard.importlib.util, 'find_spec', lambda name: object()
    )
    monkeypatch.setattr(guard.importlib, 'import_module', imported.append)
    monkeypatch.setattr(os, 'RTLD_DEEPBIND', 8, raising=False)
    monkeypatch.setattr(sys, 'getdlopenflags', lambda: 2, raising=False)
    monkeypatch.setattr(
        sys,
        'setdlopenflags',
        lambda flags: imported.append(str(flags)),
        raising=False,
    )
    return imported


def test_triton_is_bound_to_itself(no_triton: list[str]) -> None:
    guard.load_triton_safely()
    assert no_triton == ['10', 'triton', '2']


def test_a_broken_triton_is_left_to_who_needs_it(
    no_triton: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(guard.importlib, 'import_module', fail)
    guard.load_triton_safely()
    assert no_triton == ['10', '2']


@pytest.mark.parametrize('platform', ['darwin', 'win32'])
def test_other_systems_are_left_alone(
    no_triton: list[str], monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, 'platform', platform)
    guard.load_triton_safely()
    assert no_triton == []


def test_nothing_happens_without_triton(
    no_triton: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard.importlib.util, 'find_spec', lambda name: None)
    guard.load_triton_safely()
    assert no_triton == []
