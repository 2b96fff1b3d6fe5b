from __future__ import annotations

import os
import stat
from pathlib import Path

import platformdirs
import pytest

from napari_naclip.io.folders import (
    CACHE_VARIABLE,
    cache_folder,
    folder_size,
    text_cache_folder,
)


def test_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'c'))
    assert cache_folder() == tmp_path / 'c'
    assert text_cache_folder() == tmp_path / 'c' / 'text'
    monkeypatch.setenv(CACHE_VARIABLE, '~/c')
    assert cache_folder() == Path('~/c').expanduser()


@pytest.mark.parametrize('value', [None, '', ' '])
def test_place_of_the_system(monkeypatch, value):
    if value is None:
        monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(CACHE_VARIABLE, value)
    expected = platformdirs.user_cache_dir('napari-naclip', appauthor=False)
    assert cache_folder() == Path(expected)


@pytest.mark.skipif(os.name != 'posix', reason='POSIX rights')
def test_made_for_the_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'a' / 'b'))
    text_cache_folder()
    for folder in (tmp_path / 'a' / 'b', tmp_path / 'a' / 'b' / 'text'):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'file' / 'c'))
    assert text_cache_folder() == tmp_path / 'file' / 'c' / 'text'


def test_folder_size(tmp_path):
    assert folder_size(tmp_path / 'missing') == 0
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'b').write_bytes(b'12345')
    (tmp_path / 'c').write_bytes(b'678')
    assert folder_size(tmp_path) == 8
