from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from napari_naclip.engine.errors import StorageError
from napari_naclip.io import atomic
from napari_naclip.io.atomic import (
    check_target,
    write_atomically,
    write_together,
)

POSIX = pytest.mark.skipif(os.name != 'posix', reason='POSIX rights')


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_complete_file_is_put_in_place(tmp_path):
    target = tmp_path / 'a.txt'
    with write_atomically(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == '.txt'
        temporary.write_text('new')
        assert not target.exists()
    assert target.read_text() == 'new'
    assert names(tmp_path) == ['a.txt']


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_nothing(tmp_path, error):
    def write() -> None:
        with write_atomically(tmp_path / 'a.txt') as temporary:
            temporary.write_text('half')
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == []


def test_existing_file_is_kept(tmp_path):
    target = tmp_path / 'a.txt'
    target.write_text('old')
    with (
        pytest.raises(StorageError, match='there already and was kept'),
        write_atomically(target),
    ):
        pytest.fail('the block must not run')
    assert target.read_text() == 'old'


def test_file_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / 'a.txt'

    def write() -> None:
        with write_atomically(target) as temporary:
            temporary.write_text('new')
            target.write_text('of another program')

    with pytest.raises(StorageError, match='there already'):
        write()
    assert target.read_text() == 'of another program'
    assert names(tmp_path) == ['a.txt']


def test_failed_overwrite_keeps_the_old_file(tmp_path):
    target = tmp_path / 'a.txt'
    target.write_text('old')

    def write() -> None:
        with write_atomically(target, overwrite=True) as temporary:
            temporary.write_text('half')
            raise OSError(errno.ENOSPC, 'No space left on device')

    with pytest.raises(StorageError, match='no room on the disk'):
        write()
    assert target.read_text() == 'old'
    assert names(tmp_path) == ['a.txt']


@pytest.mark.parametrize('has_old', [False, True])
def test_together_all_or_none(tmp_path, monkeypatch, has_old):
    small, large = tmp_path / 'a.json', tmp_path / 'a.tif'
    if has_old:
        small.write_text('old small')
        large.write_text('old large')
    put = atomic._put

    def put_all_but_large(temporary, target, **options):
        if target == large:
            raise PermissionError(errno.EACCES, 'held by another program')
        put(temporary, target, **options)

    monkeypatch.setattr(atomic, '_put', put_all_but_large)

    def write() -> None:
        with write_together((small, large), overwrite=has_old) as files:
            for file in files:
                file.write_text('new')

    with pytest.raises(StorageError, match='no right to write'):
        write()
    if has_old:
        assert small.read_text() == 'old small'
        assert large.read_text() == 'old large'
    assert names(tmp_path) == (['a.json', 'a.tif'] if has_old else [])


def test_together_replaces_both(tmp_path):
    paths = tmp_path / 'a.json', tmp_path / 'a.tif'
    for text in ('old', 'new'):
        with write_together(paths, overwrite=True) as files:
            for file in files:
                file.write_text(text)
    assert [path.read_text() for path in paths] == ['new', 'new']
    assert names(tmp_path) == ['a.json', 'a.tif']


def test_together_spares_what_appears_meanwhile(tmp_path):
    paths = tmp_path / 'a.json', tmp_path / 'a.tif'

    def write(intruder: Path) -> None:
        with write_together(paths):
            intruder.write_text('of another program')

    for intruder in paths:
        with pytest.raises(StorageError, match='there already'):
            write(intruder)
        assert names(tmp_path) == [intruder.name]
        assert intruder.read_text() == 'of another program'
        intruder.unlink()


def test_missing_folder(tmp_path):
    target = tmp_path / 'missing' / 'a.txt'
    with pytest.raises(StorageError, match='there is no folder'):
        check_target(target)
    with (
        pytest.raises(StorageError, match='there is no folder'),
        write_atomically(target),
    ):
        pytest.fail('the block must not run')
    assert names(tmp_path) == []


def test_target_that_is_a_folder_or_below_a_file(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(StorageError, match='is a folder'):
        check_target(tmp_path)
    with pytest.raises(StorageError, match='is a file, not a folder'):
        check_target(tmp_path / 'file' / 'a.txt')


@POSIX
def test_no_right_to_write(tmp_path, monkeypatch):
    # The superuser may write everywhere, hence the pretended answer.
    monkeypatch.setattr(os, 'access', lambda *_: False)
    with pytest.raises(StorageError, match='no right to write'):
        check_target(tmp_path / 'a.txt')


@POSIX
def test_rights_are_the_usual_ones_and_are_kept(tmp_path):
    target = tmp_path / 'a.txt'
    code = (
        'import os, sys; from pathlib import Path; os.umask(0o027)\n'
        'from napari_naclip.io.atomic import write_atomically\n'
        'with write_atomically(Path(sys.argv[1])) as file: pass\n'
    )
    subprocess.run([sys.executable, '-c', code, str(target)], check=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    target.chmod(0o600)
    with write_atomically(target, overwrite=True):
        pass
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@POSIX
def test_link_is_written_through(tmp_path):
    (tmp_path / 'folder').mkdir()
    real = tmp_path / 'folder' / 'real.txt'
    real.write_text('old')
    link = tmp_path / 'link.txt'
    link.symlink_to(real)
    with write_atomically(link, overwrite=True) as temporary:
        temporary.write_text('new')
    assert link.is_symlink()
    assert real.read_text() == 'new'


def test_name_as_long_as_the_disk_allows(tmp_path):
    target = tmp_path / ('a' * 246 + '.json')
    with write_atomically(target) as temporary:
        temporary.write_text('new')
    assert target.read_text() == 'new'
    with pytest.raises(StorageError, match='name is too long'):
        check_target(tmp_path / ('a' * 300))
