from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from napari_naclip.cli import main
from napari_naclip.demo.scenes import Scene, demo_scene
from napari_naclip.engine import models


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The text of the only line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert self.status == 1
        assert self.out == ''
        prefix = 'napari-naclip: error: '
        assert lines[0].startswith(prefix)
        return lines[0].removeprefix(prefix)


Run = Callable[..., Outcome]


@pytest.fixture(scope='module', autouse=True)
def one_tokenizer(shared_tokenizer: None) -> None:
    """Make no new tokenizer for each command."""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test an empty current folder and caches of its own."""
    folder = tmp_path / 'work'
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('NAPARI_NACLIP_CONFIG', str(tmp_path / 'config'))
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'hub'))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in this process."""

    def run_command(*argv: object) -> Outcome:
        status = main([str(each) for each in argv])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run_command


@pytest.fixture
def run_process() -> Run:
    """Return a function that runs a command in a process of its own."""

    def run_command(*argv: object, **environment: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, '-m', 'napari_naclip.cli', *map(str, argv)],
            capture_output=True,
            text=True,
            encoding='utf-8',
            env={**os.environ, 'PYTHONIOENCODING': 'utf-8', **environment},
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run_command


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test when a model is loaded."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail('a model was loaded')

    monkeypatch.setattr(models, 'load_model', refuse)


@pytest.fixture(scope='session')
def scene() -> Scene:
    return demo_scene(height=112, width=160)[0]


@pytest.fixture
def photo(workplace: Path, scene: Scene) -> Path:
    """Return the name of a small drawn scene in the current folder."""
    Image.fromarray(scene.image).save(workplace / 'photo.png')
    return Path('photo.png')


@pytest.fixture
def names(workplace: Path) -> Callable[[], list[str]]:
    """Return a function that lists the current folder."""
    return lambda: sorted(path.name for path in workplace.iterdir())
