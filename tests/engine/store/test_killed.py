"""Processes that are killed while they write, and several at once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import store_tools
from napari_naclip.engine.store import FeatureStore
from store_tools import SIZE, is_whole, make_key

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store_tools import make_key, make_tokens, is_whole, SIZE
from napari_naclip.engine.store import FeatureStore, database, disk
database.PAGE_SIZE, disk.RESERVE = 4096, 0
seed, last, small = map(int, sys.argv[3:])
store = FeatureStore(
    Path(sys.argv[1]), memory=8 * SIZE, disk=60 * SIZE if small else 10**7
)
tokens = [make_tokens(number) for number in range(100)]
print('ready', flush=True)
for number in range(seed, last):
    store.put(make_key(number % 100), tokens[number % 100])
    kept = store.get(make_key(number * 7 % 100))
    assert kept is None or (kept == tokens[number * 7 % 100]).all()
store.free()
assert not store.problem, store.problem
store.close()
"""


def start_writer(
    folder: Path, *, seed: int = 0, last: int = 10**9, is_small: bool = False
) -> subprocess.Popen[str]:
    tools = Path(store_tools.__file__).parent
    arguments = (folder, tools, seed, last, int(is_small))
    return subprocess.Popen(
        [sys.executable, '-c', WRITER, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(folder: Path) -> int:
    """Return how many windows a process that starts now finds."""
    store = FeatureStore(folder, memory=0, disk=10**7)
    found = 0
    for number in range(100):
        tokens = store.get(make_key(number))
        assert is_whole(number, tokens)
        found += tokens is not None
    usage = store.usage()
    assert usage.problem == ''
    # Not one row is there that could not be read.
    assert usage.disk_windows == found
    connection = store._disk._database.open(may_create=False)
    if connection is not None:
        answer = connection.execute('PRAGMA integrity_check').fetchall()
        assert answer == [('ok',)]
        stray = connection.execute(
            'SELECT count(*) FROM tokens WHERE id NOT IN '
            '(SELECT id FROM windows)'
        ).fetchall()
        assert stray == [(0,)]
    store.close()
    return found


def kill_at_random(folder: Path, times: int, log) -> None:
    draw = random.Random(4)
    found = 0
    for number in range(times):
        writer = start_writer(
            folder, seed=draw.randrange(100), is_small=number % 2 == 1
        )
        assert writer.stdout.readline() == 'ready\n', writer.stderr.read()
        time.sleep(draw.uniform(0, 0.15))
        writer.kill()
        writer.communicate()
        found = max(found, check(folder))
        # Nothing was damaged: it was not only noticed and thrown away.
        assert log.text == ''
    assert found > 10


def test_killed_while_writing(folder, caplog) -> None:
    kill_at_random(folder, 10, caplog)


@pytest.mark.slow
def test_killed_often(folder, caplog) -> None:
    kill_at_random(folder, 100, caplog)


def test_two_processes_at_once(folder) -> None:
    writers = [
        start_writer(folder, seed=seed, last=seed + 800, is_small=True)
        for seed in (0, 50)
    ]
    for writer in writers:
        _, problems = writer.communicate(timeout=120)
        assert writer.returncode == 0, problems
        assert problems == ''
    assert check(folder) > 10
    files = sum(path.stat().st_size for path in folder.iterdir())
    assert files <= 60 * SIZE
