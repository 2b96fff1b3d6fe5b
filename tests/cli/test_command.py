from __future__ import annotations

import io
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import napari_naclip.cli as cli
from napari_naclip.cli import demo, parser
from napari_naclip.engine import device, models, sources
from napari_naclip.engine import segment as segment_module

DEMO = ('--classes', 'sand; road', '--model', 'demo')


def test_help_without_anything_heavy():
    code = (
        'import sys; from napari_naclip.cli import main\n'
        'status = main(["segment", "--help"])\n'
        'heavy = {"torch", "open_clip", "napari", "qtpy", "PIL", "tifffile"}\n'
        'sys.exit(status or ", ".join(heavy & set(sys.modules)) or 0)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert '--classes' in done.stdout


@pytest.mark.parametrize(
    'argv',
    [
        (),
        ('fly',),
        ('segment',),
        ('segment', 'a.png', '-o', 'o.tif'),
        ('segment', 'a.png', '--classes', 'sky'),
        ('segment', '--classes', 'sky', '-o', 'o.tif'),
        ('segment', 'a', '--classes', 'a', '--classes-file', 'f', '-o', 'o'),
        ('segment', 'a', '--classes', 'a', '-o', 'o', '--detail', 'much'),
        ('segment', 'a', '--classes', 'a', '-o', 'o', '--reduction', 'much'),
        (
            *('segment', 'a', '--classes', 'a', '-o', 'o'),
            *('--detail', '448', '--reduction', '2'),
        ),
        ('segment', 'a', '--classes', 'a', '-o', 'o', '--refine', 'much'),
        ('segment', 'a', '--classes', 'a', '-o', 'o', '--precision', 'int8'),
        ('segment', 'a', '--classes', 'a', '-o', 'o', '--threshold', 'low'),
        ('segment', 'a', '--classes', 'a', '-o', 'o', '--activation', 'relu'),
        ('models', 'fly'),
        ('models', 'download'),
    ],
)
def test_wrong_usage(run, argv):
    done = run(*argv)
    assert (done.status, done.out) == (2, '')
    assert done.err.startswith('usage: ')


def test_version(run):
    done = run('--version')
    assert done.status == 0
    assert done.out.strip()


def test_precisions_are_those_of_the_engine():
    assert device.Precision.__args__ == parser._PRECISIONS


def test_activations_are_those_of_the_engine():
    assert sources.ACTIVATIONS == parser._ACTIVATIONS


def test_process_results_alone_on_stdout(run, run_process, photo):
    done = run_process('segment', photo, *DEMO, '-o', 'out.tif')
    assert (done.status, done.err) == (0, '')
    assert done.out.startswith('out.tif: sand ')
    assert done.out.count('\n') == 1
    again = run('segment', photo, *DEMO, '-o', 'out.tif')
    assert 'there already' in again.error


def test_reader_that_leaves(photo):
    command = [sys.executable, '-m', 'napari_naclip.cli', 'models']
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert done.stderr == b''


def test_names_that_the_terminal_cannot_show(run, photo, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
    monkeypatch.setattr(sys, 'stdout', terminal)
    done = run(
        *('segment', photo, '--classes', 'sand; дорога', '--model', 'demo'),
        *('-o', 'out.tif'),
    )
    assert done.status == 0
    assert b'\\u0434' in terminal.buffer.getvalue()


def test_unexpected_error_is_one_line(run, photo, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError('one\ntwo')

    monkeypatch.setattr(models, 'load_model', fail)
    argv = ('segment', photo, *DEMO, '-o', 'out.tif')
    assert 'RuntimeError: one two' in run(*argv).error
    monkeypatch.setenv(cli.DEBUG_VARIABLE, '1')
    with pytest.raises(RuntimeError):
        run(*argv)


def test_too_little_memory(run, photo, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(segment_module, 'segment', fail)
    argv = ('segment', photo, *DEMO, '-o', 'out.tif')
    assert 'not enough memory' in run(*argv).error


def test_info(run, tmp_path):
    for name, size in (('text', 2_000_000), ('features', 3_000_000)):
        (tmp_path / 'cache' / name).mkdir(parents=True)
        (tmp_path / 'cache' / name / 'a').write_bytes(bytes(size))
    done = run('info')
    assert (done.status, done.err) == (0, '')
    for text in ('python', 'torch', 'cpu (CPU', '"auto" means', 'free'):
        assert text in done.out
    assert f'{tmp_path / "cache" / "text"}, 2.0 MB used' in done.out
    assert f'{tmp_path / "cache" / "features"}, 3.0 MB used' in done.out


@pytest.fixture
def picture() -> Path:
    return Path('naclip-demo.png')


def test_demo_without_a_window(run, picture, scene):
    done = run('demo', '--headless')
    assert (done.status, done.err) == (0, '')
    first, second = done.out.splitlines()
    assert first.startswith('naclip-demo.png: sand ')
    accuracy = float(second.split()[-2])
    assert second.startswith('pixels labeled correctly: ')
    assert accuracy > 85
    with Image.open(picture) as image:
        # Twice the scene, and a legend beside it.
        assert image.width > 2 * 640
        assert image.height >= 448
        drawn = np.asarray(image)
    assert (drawn == (0xE6, 0x9F, 0)).all(axis=-1).sum() > 100
    # An earlier demo's picture is in nobody's way.
    picture.write_text('old')
    assert run('demo', '--headless').status == 0
    assert picture.read_bytes()[:4] == b'\x89PNG'


def test_demo_keeps_a_named_file(run, no_model):
    Path('mine.png').write_text('mine')
    argv = ('demo', '--headless', '--screenshot', 'mine.png')
    assert 'there already' in run(*argv).error
    assert Path('mine.png').read_text() == 'mine'
    assert '.png' in run('demo', '--screenshot', 'a.jpg').error


@pytest.fixture
def shown(monkeypatch) -> list[Path | None]:
    """Stand in for the window, and return what it was asked to show."""
    calls: list[Path | None] = []
    module = types.ModuleType('napari_naclip.ui.demo')
    module.show_demo = calls.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'napari_naclip.ui.demo', module)
    return calls


def test_demo_in_a_window(run, monkeypatch, shown):
    monkeypatch.setattr(demo, 'why_no_window', lambda: '')
    assert run('demo').status == 0
    assert run('demo', '--screenshot', 'a.png').status == 0
    assert shown == [None, Path('a.png')]


@pytest.mark.parametrize('is_broken', [False, True])
def test_demo_says_why_there_is_no_window(
    run, monkeypatch, shown, picture, is_broken
):
    reason = '' if is_broken else 'there is no display'
    monkeypatch.setattr(demo, 'why_no_window', lambda: reason)
    if is_broken:
        monkeypatch.setitem(sys.modules, 'napari_naclip.ui.demo', None)
    done = run('demo')
    assert done.status == 0
    assert done.err.startswith('note: ')
    assert 'saved as a picture' in done.err
    assert picture.is_file()
    assert shown == []


@pytest.mark.skipif(
    not sys.platform.startswith('linux'), reason='asks for X or Wayland'
)
def test_why_no_window(monkeypatch):
    for package in ('napari', 'PyQt6'):
        pytest.importorskip(package)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    assert demo.why_no_window() == 'there is no display'
    # A display that does not answer would end the process.
    monkeypatch.delenv('QT_QPA_PLATFORM', raising=False)
    monkeypatch.setenv('DISPLAY', ':4711')
    assert demo.why_no_window() == 'Qt cannot open the display'
    find = demo.importlib.util.find_spec
    monkeypatch.setattr(
        demo.importlib.util,
        'find_spec',
        lambda name: None if name == 'napari' else find(name),
    )
    assert 'napari is not installed' in demo.why_no_window()
