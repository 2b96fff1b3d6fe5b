"""The class list of the last start."""

from __future__ import annotations

import json
import logging
import os
import stat
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest

from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import StorageError
from napari_naclip.io.last_list import (
    CONFIG_VARIABLE,
    config_folder,
    load_last,
    save_last,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / 'a' / 'config'
    monkeypatch.setenv(CONFIG_VARIABLE, str(folder))
    return folder


def test_a_list_comes_back() -> None:
    assert load_last() is None
    state = ListState.from_text('background; sky; 空, "a, b"').with_row(
        2, is_locked=True, is_on=False, color='#123456'
    )
    state = replace(state, margin=0.05, next_value=9)
    save_last(state)
    assert load_last() == state
    other = ListState.from_text('x')
    save_last(other)
    assert load_last() == other


def test_no_layer_has_the_values_of_the_last_start() -> None:
    save_last(replace(ListState.from_text('sky'), is_used=True))
    assert load_last() == ListState.from_text('sky')


@pytest.mark.skipif(os.name != 'posix', reason='POSIX rights')
def test_only_this_user_may_read_it(folder) -> None:
    save_last(ListState())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'{"version": 1, "rows": [',
        b'\xff\xfe\x00',
        b'[]',
        b'{"version": 7}',
        b'[' * 100_000,
        json.dumps(
            {**ListState(next_value=3).to_dict(), 'margin': 'x'}
        ).encode(),
    ],
)
def test_a_broken_file_is_kept_aside(folder, caplog, content) -> None:
    save_last(ListState())
    path = folder / 'class_list.json'
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert load_last() is None
    assert not path.exists()
    assert (folder / 'class_list.broken.json').read_bytes() == content
    assert 'kept as' in caplog.text
    save_last(ListState.from_text('sky'))
    assert load_last() == ListState.from_text('sky')


def test_a_folder_in_the_place_of_the_file(folder, caplog) -> None:
    (folder / 'class_list.json').mkdir(parents=True)
    assert load_last() is None
    assert 'cannot be read' in caplog.text
    with pytest.raises(StorageError):
        save_last(ListState())


def test_place_of_the_system(monkeypatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE)
    expected = platformdirs.user_config_dir('napari-naclip', appauthor=False)
    assert config_folder() == Path(expected)
    monkeypatch.setenv(CONFIG_VARIABLE, '~/c')
    assert config_folder() == Path('~/c').expanduser()
