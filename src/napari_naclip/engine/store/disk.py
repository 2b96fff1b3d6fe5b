"""The second level of the store: windows in a database file on the disk.

SQLite rather than a file for each window: a transaction is there whole or
not at all when the process is killed or the disk is full, two processes may
write at once, what is evicted may be open on Windows, and 20,000 windows are
one file. A level that cannot be read or written costs time and nothing else:
nothing here raises because of the disk, except ``clear``.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from napari_naclip.engine.errors import StorageError
from napari_naclip.engine.store import database
from napari_naclip.engine.store.database import (
    Database,
    code_of,
    is_damage,
    is_full,
)
from napari_naclip.engine.store.rows import unpack
from napari_naclip.engine.store.statements import (
    bring_down,
    evict,
    find_present,
    insert,
    note_uses,
    numbers,
    pages,
    read_number,
    remove,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_naclip.engine.store.memory import Entry, Tokens

T = TypeVar('T')

#: Bytes of the disk that are left to everybody else.
RESERVE = 256 * 1024**2
#: Pages that the tables need besides the rows.
_SPARE: Final = 16
#: Pages below which a budget is as good as none.
_LEAST: Final = 32
#: Seconds without the disk after it was full, or held by another process.
_REST: Final = 20.0
#: Seconds for others between two steps.
_BREATH: Final = 0.001
#: Uses of windows that are noted together.
_MOST_USES: Final = 4096
#: Nanoseconds that clocks of machines with one disk may differ.
_AHEAD: Final = 60 * 10**9
#: Pages that one transaction gives back.
_STEP: Final = 256
_FULL: Final = (
    'Features of images cannot be kept on the disk: it is full. Runs go on, '
    'but take longer when they are repeated; make room in {}.'
)
_UNUSABLE: Final = (
    'Features of images cannot be kept on the disk ({}). Runs go on, but '
    'take longer when they are repeated; check the folder {}.'
)
_BUSY: Final = (
    'The features that are kept on the disk cannot be cleared: another '
    'program is using them. Close it, or try again.'
)

_logger = logging.getLogger(__name__)


class DiskLevel:
    """Windows on the disk; the lowest ranks leave first, see ``passes``.

    Thread-safe: one connection, one caller at a time.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    budget : int
        Bytes of the file; below about 1 MB nothing is kept.

    Attributes
    ----------
    problem : str
        A sentence about why the disk is not used; empty when it is.
    latest : int
        The highest rank of a use, of any process, when room was last made.
    lock : RLock
        Held while the disk is used.
    """

    def __init__(self, folder: Path | None, budget: int) -> None:
        self.lock = threading.RLock()
        self.problem = ''
        self.budget = budget
        self.latest = 0
        self._database = None if folder is None else Database(folder)
        #: Uses by key that the file does not know yet.
        self._uses: dict[bytes, int] = {}
        #: Until when nothing is read or written, and nothing written.
        self._rest_until = self._full_until = 0.0
        #: Problems that were logged: each once.
        self._told: set[str] = set()

    @property
    def is_used(self) -> bool:
        """Whether there is a folder and a budget that is worth it."""
        least = _LEAST * database.PAGE_SIZE
        return self._database is not None and self.budget >= least

    def file_size(self) -> int:
        """Return the bytes of the file; does not wait for anything."""
        return 0 if self._database is None else self._database.file_size()

    def count(self) -> int:
        """Return the number of windows."""

        def look(connection: sqlite3.Connection) -> int:
            found = connection.execute('SELECT count(*) FROM windows')
            return int(found.fetchall()[0][0])

        return self._do(look, 0)

    def find(self, key: bytes, used: int) -> Tokens | None:
        """Return the tokens (read-only) of a window, if they are intact."""

        def look(connection: sqlite3.Connection) -> Tokens | None:
            rows = connection.execute(
                'SELECT id, bits, height, width, depth, checksum, '
                '(SELECT body FROM tokens WHERE tokens.id = windows.id) '
                'FROM windows WHERE key = ?',
                (key,),
            ).fetchall()
            if not rows:
                return None
            number, *header, body = rows[0]
            tokens = unpack(key, tuple(header), body)
            if tokens is None:
                _logger.warning('A damaged window was removed from the disk.')
                with transaction(connection):
                    remove(connection, [number])
                return None
            self._note(key, used)
            if len(self._uses) >= _MOST_USES:
                # What was read counts, whether or not this can be written.
                uses, self._uses = self._uses, {}
                with (
                    contextlib.suppress(sqlite3.Error),
                    transaction(connection),
                ):
                    note_uses(connection, uses)
            return tokens

        return self._do(look, None)

    def find_missing(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which keys are not on the disk."""

        def look(connection: sqlite3.Connection) -> set[bytes]:
            return set(keys) - find_present(connection, keys)

        return self._do(look, set(keys))

    def write(self, entries: Sequence[Entry]) -> bool:
        """Keep entries, the last ones if there is no room for all.

        Returns
        -------
        bool
            False if the disk is off, full, busy or broken.
        """

        def write(connection: sqlite3.Connection) -> bool:
            known = [e.key for e in entries if e.is_on_disk]
            # They may have been evicted since, by another process too.
            gone = self.find_missing(known) if known else set()
            fresh = [e for e in entries if not e.is_on_disk or e.key in gone]
            fitting = self._make_room(connection, fresh)
            with transaction(connection):
                for entry in entries:
                    self._note(entry.key, entry.used)
                for entry in fitting:
                    insert(connection, entry)
                if len(fitting) < len(fresh):
                    # No older tokens under the key of newer ones.
                    lost = {e.key for e in fresh} - {e.key for e in fitting}
                    remove(connection, numbers(connection, lost))
                note_uses(connection, self._uses)
            return True

        return self._do(write, False, writes=True)

    def set_budget(self, budget: int) -> None:
        """Change the budget; what is too much by then is removed."""
        with self.lock:
            self.budget = budget
            self._rest_until = self._full_until = 0.0
        if self.is_used:
            while self._do(self._trim, False):
                time.sleep(_BREATH)
            return
        with contextlib.suppress(StorageError):
            self.clear()

    def clear(self) -> None:
        """Remove everything.

        Raises
        ------
        StorageError
            If another program holds the file, or it cannot be written.
        """
        with self.lock:
            self._uses.clear()
            self.problem = ''
            self._rest_until = self._full_until = 0.0
            if self._database is None:
                return
            try:
                try:
                    self._database.empty()
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
                    self._database.throw_away()
            except (OSError, sqlite3.Error) as error:
                if code_of(error) in (
                    sqlite3.SQLITE_BUSY,
                    sqlite3.SQLITE_LOCKED,
                ):
                    raise StorageError(_BUSY) from error
                folder = self._database.path.parent
                raise StorageError(
                    f'The features in {folder} cannot be cleared: {error}. '
                    'Check the rights of the folder.'
                ) from error

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self.lock:
            if self._database is None:
                return
            if self._uses:
                self._do(self._note_uses_now, None)
            self._database.close()

    def _do(
        self,
        action: Callable[[sqlite3.Connection], T],
        otherwise: T,
        *,
        writes: bool = False,
    ) -> T:
        """Do something with the file, if there is one and it can be used."""
        with self.lock:
            disk = self._database
            if disk is None or not self.is_used:
                return otherwise
            now = time.monotonic()
            if now < self._rest_until or (writes and now < self._full_until):
                return otherwise
            try:
                connection = disk.open(may_create=writes)
                if connection is None:
                    return otherwise
                result = action(connection)
            except (OSError, MemoryError, sqlite3.Error) as error:
                self._recover(disk, error)
                return otherwise
            if writes:
                self.problem = ''
            return result

    def _recover(self, disk: Database, error: Exception) -> None:
        # Closing takes back what was not committed.
        disk.close()
        folder = disk.path.parent
        if is_damage(error):
            _logger.warning(
                'The features kept in %s are damaged (%s) and are kept anew.',
                folder,
                error,
            )
            try:
                disk.throw_away()
            except OSError as second:
                self._rest_until = time.monotonic() + _REST
                self._tell(_UNUSABLE.format(second, folder))
        elif code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            _logger.info('Another process holds %s.', disk.path)
            self._rest_until = time.monotonic() + _REST
        elif is_full(error):
            self._full_until = time.monotonic() + _REST
            self._tell(_FULL.format(folder))
        elif code_of(error) == sqlite3.SQLITE_ERROR:
            # Another process has emptied the file: it is opened anew.
            _logger.info('The features on the disk are gone: %s', error)
        else:
            self._rest_until = time.monotonic() + _REST
            self._tell(_UNUSABLE.format(error, folder))

    def _tell(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            _logger.warning(problem)
        self.problem = problem

    def _make_room(
        self, connection: sqlite3.Connection, entries: Sequence[Entry]
    ) -> list[Entry]:
        """Remove what leaves first; return the last entries that fit."""
        self._trim(connection)
        most = self._limit(connection)
        page_size = read_number(connection, 'page_size')
        fitting: list[Entry] = []
        needed = _SPARE
        for entry in reversed(entries):
            size = pages(entry.tokens.nbytes, page_size) + 1
            if needed + size > most:
                break
            needed += size
            fitting.insert(0, entry)
        if entries and not fitting and most < self.budget // page_size:
            raise OSError(errno.ENOSPC, 'No space left on device')
        # Its own transaction: pages that are free since then are written
        # without a copy of what they held.
        self._evict(connection, most - needed)
        return fitting

    def _limit(self, connection: sqlite3.Connection) -> int:
        """Return the most pages of the file, which SQLite knows by then."""
        page_size = read_number(connection, 'page_size')
        count = read_number(connection, 'page_count')
        most = self.budget // page_size
        # What others need of the disk comes first.
        if self._database is not None:
            free = shutil.disk_usage(self._database.path.parent).free
            most = min(most, count + max(0, free - RESERVE) // page_size)
        read_number(connection, f'max_page_count = {max(most, count)}')
        return most

    def _trim(self, connection: sqlite3.Connection) -> bool:
        """Bring a file nearer to its budget; return whether it is not there.

        A step takes some hundredths of a second, all of them may take many
        seconds: others must come to use the disk between them.
        """
        most = self.budget // read_number(connection, 'page_size')
        before = read_number(connection, 'page_count')
        if before <= most:
            return False
        self._evict(connection, most - _SPARE)
        step = min(_STEP, before - most)
        # Each page is a row without columns, of which execute takes one.
        connection.executescript(f'PRAGMA incremental_vacuum({step})')
        return most < read_number(connection, 'page_count') < before

    def _evict(self, connection: sqlite3.Connection, most: int) -> None:
        self._note_uses_now(connection)
        with contextlib.suppress(sqlite3.Error):
            # The clock was ahead once: they would stay, and push out all
            # that comes until then.
            self.latest = bring_down(connection, time.time_ns(), _AHEAD)
        evict(connection, most)

    def _note(self, key: bytes, used: int) -> None:
        self._uses[key] = max(used, self._uses.get(key, 0))

    def _note_uses_now(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            note_uses(connection, self._uses)
