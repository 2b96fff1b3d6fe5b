"""The database file of the store: opened, made, found damaged, begun anew.

Knows the file and its pragmas; ``disk`` knows what is kept in it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

#: Bytes of a page: large, because a row has 50 to 200 kB.
PAGE_SIZE = 32_768
#: Changes with everything that makes older files unreadable.
VERSION: Final = 1
_STEM: Final = 'features'
#: Seconds to wait for another process; a run must not stand still for longer.
BUSY_TIMEOUT: Final = 1.0

_TABLES: Final = (
    # The tokens are in a table of their own: else each note of a use would
    # write them again.
    """CREATE TABLE IF NOT EXISTS windows (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE,
        used INTEGER NOT NULL, size INTEGER NOT NULL, bits INTEGER NOT NULL,
        height INTEGER NOT NULL, width INTEGER NOT NULL,
        depth INTEGER NOT NULL, checksum INTEGER NOT NULL)""",
    'CREATE INDEX IF NOT EXISTS by_use ON windows (used, id)',
    """CREATE TABLE IF NOT EXISTS tokens (
        id INTEGER PRIMARY KEY, body BLOB NOT NULL)""",
)

#: Connections of a parent process: closing them here would take away locks
#: that the parent believes to have.
_inherited: list[sqlite3.Connection] = []


class ForeignError(sqlite3.DatabaseError):
    """A database of something else in the place of ours."""


def database_path(folder: Path) -> Path:
    """Return the database of a folder; each version has its own."""
    return folder / f'{_STEM}-{VERSION}.sqlite'


class Database:
    """One connection to the file, which others may replace at any time.

    Not thread-safe: ``DiskLevel`` holds a lock around every call.

    Parameters
    ----------
    folder : Path
        Made when the file is, for the user alone.
    """

    def __init__(self, folder: Path) -> None:
        self.path = database_path(folder)
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, ...] = ()

    def file_size(self) -> int:
        """Return the bytes of the file; 0 if there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def open(self, *, may_create: bool) -> sqlite3.Connection | None:
        """Return the connection; None if there is no file and may be none.

        Raises
        ------
        OSError, sqlite3.Error
        """
        if self._connection is not None:
            if self._identity == self._look():
                return self._connection
            self.close()
        if not may_create and not self.file_size():
            return None
        self._make_file()
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity = connection, self._look()
        return connection

    def close(self) -> None:
        """Close the connection; what was not committed is gone."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._identity[:1] != (os.getpid(),):
            _inherited.append(connection)
            return
        with contextlib.suppress(sqlite3.Error):
            connection.close()

    def empty(self) -> None:
        """Make the file empty, whatever others do with it at this moment.

        Raises
        ------
        OSError, sqlite3.Error
            If another process does not let go of it.
        """
        if not self.path.exists():
            self.close()
            return
        try:
            connection = self.open(may_create=True)
            if connection is not None:
                # Nobody reads or writes now. Others find an empty database,
                # which is a valid one; deleting rows would take minutes, and
                # a deleted file would stay on the disk while it is open.
                connection.execute('BEGIN EXCLUSIVE')
                os.truncate(self.path, 0)
                connection.execute('ROLLBACK')
        finally:
            self.close()

    def throw_away(self) -> None:
        """Delete the file, which is damaged.

        Raises
        ------
        OSError
            If it is open elsewhere (on Windows).
        """
        self.close()
        for suffix in ('', '-journal', '-wal', '-shm'):
            Path(f'{self.path}{suffix}').unlink(missing_ok=True)

    def remove_older(self) -> None:
        """Delete the files of older versions, if that is possible."""
        for path in self.path.parent.glob(f'{_STEM}-*.sqlite*'):
            number = path.name.removeprefix(f'{_STEM}-').split('.')[0]
            if number.isdecimal() and int(number) < VERSION:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _look(self) -> tuple[int, ...]:
        """Return what changes when another file has the place."""
        try:
            status = self.path.stat()
        except OSError:
            return (os.getpid(),)
        return (
            os.getpid(),
            status.st_dev,
            status.st_ino,
            # An empty file has no tables any more.
            int(status.st_size > 0),
        )

    def _make_file(self) -> None:
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.exists():
            self.remove_older()
            # SQLite would make it for all to read. Only a new file: closing
            # one that is open here would take its locks away.
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, flags, 0o600))


def code_of(error: Exception) -> int:
    """Return what SQLite says went wrong; 0 if it was not SQLite."""
    # The low byte: the others say more exactly what it was.
    return getattr(error, 'sqlite_errorcode', 0) & 0xFF


def is_full(error: Exception) -> bool:
    """Return whether the disk has no room."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, getattr(errno, 'EDQUOT', None))
    return code_of(error) == sqlite3.SQLITE_FULL


def is_damage(error: Exception) -> bool:
    """Return whether the file is damaged, or something else."""
    return isinstance(error, ForeignError) or code_of(error) in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def _prepare(connection: sqlite3.Connection) -> None:
    tables = connection.execute('SELECT count(*) FROM sqlite_master')
    is_new = not tables.fetchall()[0][0]
    if is_new:
        # They only act before there is a table, and the second one writes:
        # what is kept must be found on a full disk too, in a folder that is
        # read-only, and beside another process that writes.
        for pragma in (
            f'page_size = {PAGE_SIZE}',
            'auto_vacuum = INCREMENTAL',
        ):
            connection.execute(f'PRAGMA {pragma}').fetchall()
    for pragma in (
        # Not WAL: that needs shared memory, which home folders on a network
        # lack, and writes everything twice.
        'journal_mode = TRUNCATE',
        # A killed process harms nothing even so; when the power fails a
        # damaged file is noticed, and costs time only.
        'synchronous = OFF',
        'secure_delete = OFF',
        # A transaction must not take the lock before it ends.
        'cache_spill = OFF',
        'cache_size = -2000',
        'temp_store = MEMORY',
        'trusted_schema = OFF',
    ):
        connection.execute(f'PRAGMA {pragma}').fetchall()
    if is_new:
        connection.execute('BEGIN IMMEDIATE')
        for table in _TABLES:
            connection.execute(table)
        connection.execute(f'PRAGMA user_version = {VERSION}')
        connection.execute('COMMIT')
    found = connection.execute('PRAGMA user_version')
    if found.fetchall()[0][0] != VERSION:
        raise ForeignError('not a database of features')
