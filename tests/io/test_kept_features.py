"""The process's store and the budgets that the person chose."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.store import budgets as budgets_module
from napari_naclip.engine.store.budgets import (
    Budgets,
    default_budgets,
    parse_size,
    physical_memory,
)
from napari_naclip.io import kept_features
from napari_naclip.io.folders import CACHE_VARIABLE
from napari_naclip.io.kept_features import (
    DISK_VARIABLE,
    MEMORY_VARIABLE,
    load_budgets,
    save_budgets,
    shared_store,
)
from napari_naclip.io.last_list import CONFIG_VARIABLE

KEY = bytes(32)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test folders of its own; return the file of settings."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / 'config'))
    for name in (MEMORY_VARIABLE, DISK_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / 'config' / 'kept_features.json'


@pytest.mark.parametrize(
    ('text', 'size'),
    [
        ('0', 0),
        ('2GB', 2 * 10**9),
        (' 1.5 gb ', 15 * 10**8),
        ('500M', 5 * 10**8),
        ('12kb', 12_000),
        ('1000TB', 10**15),
    ],
)
def test_sizes(text, size) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    'text', ['', 'GB', '-1GB', '1e3', '2GiB', '2 XB', 'inf', '٣GB', '1,5GB']
)
def test_no_sizes(text) -> None:
    with pytest.raises(InputError, match='is no size'):
        parse_size(text)


def test_too_large_a_size() -> None:
    with pytest.raises(InputError, match='too large'):
        parse_size('1001TB')


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_refused(text) -> None:
    with contextlib.suppress(InputError):
        assert 0 <= parse_size(text) <= 10**15


def test_defaults_are_what_the_machine_can_spare(
    tmp_path, monkeypatch
) -> None:
    assert physical_memory() > 10**8
    monkeypatch.setattr(budgets_module, 'physical_memory', lambda: 4 * 10**9)
    monkeypatch.setattr(budgets_module, '_free_space', lambda _: 9 * 10**9)
    assert default_budgets(tmp_path) == Budgets(5 * 10**8, 9 * 10**8)
    # What is kept already does not make the rest smaller and smaller.
    assert default_budgets(tmp_path, used=10**9).disk == 10**9
    monkeypatch.setattr(budgets_module, 'physical_memory', lambda: 10**11)
    monkeypatch.setattr(budgets_module, '_free_space', lambda _: 10**12)
    assert default_budgets(tmp_path) == Budgets(10**9, 5 * 10**9)


def test_free_space_of_a_folder_that_is_not_there(tmp_path) -> None:
    assert default_budgets(tmp_path / 'a' / 'b').disk > 0


@pytest.mark.usefixtures('steady_disk')
def test_budgets_are_kept(places) -> None:
    usual = load_budgets()
    save_budgets(memory=123)
    assert load_budgets() == Budgets(123, usual.disk)
    save_budgets(disk=0)
    assert load_budgets() == Budgets(123, 0)
    usage = shared_store().usage()
    assert (usage.memory_budget, usage.disk_budget) == (123, 0)
    assert json.loads(places.read_text()) == {'memory': 123, 'disk': 0}


def test_environment_wins(monkeypatch, caplog) -> None:
    save_budgets(memory=123, disk=456)
    monkeypatch.setenv(MEMORY_VARIABLE, '2GB')
    monkeypatch.setenv(DISK_VARIABLE, ' ')
    assert load_budgets() == Budgets(2 * 10**9, 456)
    assert kept_features.overriding_variables() == [MEMORY_VARIABLE]
    monkeypatch.setenv(MEMORY_VARIABLE, 'much')
    assert load_budgets() == Budgets(123, 456)
    assert f'{MEMORY_VARIABLE} is left out' in caplog.text


@pytest.mark.usefixtures('steady_disk')
@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'{"memory": ',
        b'[1]',
        b'\xff\xfe',
        b'{"memory": -1, "disk": true}',
        b'{"memory": "2GB", "disk": 1e400}',
        b'{"memory": 9999999999999999999999}',
        b'[' * 100_000,
    ],
)
def test_broken_settings_are_left_out(places, content) -> None:
    usual = load_budgets()
    places.parent.mkdir()
    places.write_bytes(content)
    assert load_budgets() == usual
    save_budgets(disk=10**9)
    assert load_budgets().disk == 10**9


def test_settings_that_cannot_be_written(places) -> None:
    places.parent.write_text('')
    with pytest.raises(StorageError):
        save_budgets(memory=123)
    assert shared_store().usage().memory_budget == 123


def test_one_store_for_all_threads() -> None:
    found, start = [], threading.Barrier(8)

    def find() -> None:
        start.wait()
        found.append(shared_store())

    threads = [threading.Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(store) for store in found}) == 1


def test_another_cache_folder_has_another_store(tmp_path, monkeypatch) -> None:
    first = shared_store()
    first.put(KEY, np.ones((2, 3, 4), np.float16))
    first.flush()
    assert first.usage().disk_windows == 1
    assert first.folder == tmp_path / 'cache' / 'features'
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'other'))
    second = shared_store()
    assert second is not first
    assert second.get(KEY) is None
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'cache'))
    assert shared_store().get(KEY) is not None


def test_logged_quietly(caplog) -> None:
    with caplog.at_level(logging.INFO):
        shared_store().usage()
    assert not caplog.records
