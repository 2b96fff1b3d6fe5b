"""``napari-naclip cache``."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from napari_naclip.engine import outputs
from napari_naclip.engine.store import database
from napari_naclip.io.kept_features import (
    DISK_VARIABLE,
    MEMORY_VARIABLE,
    load_budgets,
    shared_store,
)

pytestmark = pytest.mark.usefixtures('steady_disk')


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch) -> None:
    for name in (MEMORY_VARIABLE, DISK_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def kept() -> None:
    """Keep three windows on the disk."""
    store = shared_store()
    for number in range(3):
        store.put(bytes([number]) * 32, np.ones((14, 14, 512), np.float16))
    store.free()


def test_shows_both_levels(run, kept, tmp_path) -> None:
    done = run('cache')
    assert (done.status, done.err) == (0, '')
    assert 'in memory, while a program runs: at most' in done.out
    assert ' MB in 3 windows, at most' in done.out
    assert f'folder: {tmp_path / "cache" / "features"}' in done.out


def test_clear(run, kept) -> None:
    done = run('cache', 'clear')
    assert (done.status, done.err) == (0, '')
    assert '0.0 MB in 0 windows' in done.out
    assert shared_store().usage().disk_size == 0


def test_set_for_later(run) -> None:
    done = run('cache', '--memory', '2GB', '--disk', '0')
    assert (done.status, done.err) == (0, '')
    assert 'at most 2.0 GB' in done.out
    assert 'turned off' in done.out
    budgets = load_budgets()
    assert (budgets.memory, budgets.disk) == (2 * 10**9, 0)


def test_memory_of_labels(run, monkeypatch) -> None:
    monkeypatch.delenv(outputs.OUTPUT_VARIABLE, raising=False)
    # Nothing of it stays.
    monkeypatch.setattr(outputs._USED, 'budget', None)
    before = load_budgets()
    done = run('cache', '--outputs', '3GB')
    assert (done.status, done.err) == (0, '')
    assert done.out.endswith(
        'in memory, while a program runs: at most 3.0 GB\n'
    )
    assert outputs.output_budget() == 3 * 10**9
    assert load_budgets() == before
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '4GB')
    done = run('cache', '--outputs', '2GB')
    assert outputs.OUTPUT_VARIABLE in done.err
    assert outputs.output_budget() == 4 * 10**9


def test_smaller_acts_at_once(run, kept) -> None:
    store = shared_store()
    for number in range(3, 20):
        store.put(bytes([number]) * 32, np.ones((14, 14, 512), np.float16))
    store.free()
    assert store.usage().disk_size > 3_000_000
    run('cache', '--disk', '3MB')
    usage = store.usage()
    assert usage.disk_size <= 3_000_000
    assert 0 < usage.disk_windows < 20


@pytest.mark.parametrize('text', ['much', '-1', '2 GiB'])
def test_no_size(run, text) -> None:
    before = load_budgets()
    done = run('cache', '--memory', '1GB', f'--disk={text}')
    assert 'is no size' in done.error
    assert load_budgets() == before


def test_a_variable_that_wins_is_said(run, monkeypatch) -> None:
    monkeypatch.setenv(DISK_VARIABLE, '3GB')
    done = run('cache', '--disk', '1GB')
    assert done.err == (
        f'note: {DISK_VARIABLE} is set, and wins over what is kept here.\n'
    )


def test_held_by_another_program(run, kept) -> None:
    path = database.database_path(shared_store().folder)
    other = sqlite3.connect(path)
    other.execute('BEGIN EXCLUSIVE')
    try:
        assert 'another program' in run('cache', 'clear').error
    finally:
        other.close()


def test_settings_that_cannot_be_written(run, tmp_path) -> None:
    (tmp_path / 'config').write_text('')
    assert 'cannot be written' in run('cache', '--memory', '1GB').error


def test_wrong_usage(run) -> None:
    assert run('cache', 'burn').status == 2


def test_another_process(run_process, kept) -> None:
    done = run_process('cache', 'clear')
    assert (done.status, done.err) == (0, '')
    assert shared_store().get(bytes(32)) is None
    assert shared_store().usage().disk_windows == 0
