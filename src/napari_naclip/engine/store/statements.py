"""What the store says to its database, statement by statement."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from typing import TYPE_CHECKING, Final

from napari_naclip.engine.store.rows import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_naclip.engine.store.memory import Entry

#: Windows that one transaction removes.
_STEP: Final = 256
#: Keys of one query.
_MOST_KEYS: Final = 500


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit at the end of the block, or take all of it back."""
    # Immediate: two readers that want to write would wait for each other.
    connection.execute('BEGIN IMMEDIATE')
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute('ROLLBACK')
        raise
    connection.execute('COMMIT')


def insert(connection: sqlite3.Connection, entry: Entry) -> None:
    """Write a window, in the place of one with its key."""
    header, body = pack(entry.key, entry.tokens)
    remove(connection, numbers(connection, {entry.key}))
    number = connection.execute(
        'INSERT INTO windows (key, used, size, bits, height, width, depth, '
        'checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        (entry.key, entry.used, len(body), *header),
    ).lastrowid
    connection.execute(
        'REPLACE INTO tokens (id, body) VALUES (?, ?)', (number, body)
    )


def numbers(
    connection: sqlite3.Connection, keys: Iterable[bytes]
) -> list[int]:
    """Return the numbers of the windows with some keys."""
    return [
        number
        for key in keys
        for (number,) in connection.execute(
            'SELECT id FROM windows WHERE key = ?', (key,)
        ).fetchall()
    ]


def remove(connection: sqlite3.Connection, which: Sequence[int]) -> None:
    """Remove windows by their numbers."""
    rows = [(number,) for number in which]
    connection.executemany('DELETE FROM windows WHERE id = ?', rows)
    connection.executemany('DELETE FROM tokens WHERE id = ?', rows)


def pages(size: int, page_size: int) -> int:
    """Return how many pages a number of bytes takes."""
    # A page of a long row begins with the number of the next one.
    return math.ceil(size / (page_size - 4))


def find_present(
    connection: sqlite3.Connection, keys: Sequence[bytes]
) -> set[bytes]:
    """Return which keys have a window."""
    present: set[bytes] = set()
    for start in range(0, len(keys), _MOST_KEYS):
        some = keys[start : start + _MOST_KEYS]
        marks = ', '.join('?' * len(some))
        found = connection.execute(
            f'SELECT key FROM windows WHERE key IN ({marks})', some
        )
        present.update(key for (key,) in found.fetchall())
    return present


def note_uses(connection: sqlite3.Connection, uses: dict[bytes, int]) -> None:
    """Write ranks of uses, and forget them; within a transaction."""
    if uses:
        connection.executemany(
            'UPDATE windows SET used = max(used, ?) WHERE key = ?',
            [(used, key) for key, used in uses.items()],
        )
        uses.clear()


def bring_down(
    connection: sqlite3.Connection, now: int, tolerance: int
) -> int:
    """Let windows from the future be older than what is used now.

    They stay in the order they are in. Returns the highest rank.
    """
    limit = now + tolerance
    found = connection.execute('SELECT max(used) FROM windows').fetchall()
    latest = int(found[0][0] or 0)
    if latest <= limit:
        return latest
    ahead = connection.execute(
        'SELECT id FROM windows WHERE used > ? ORDER BY used, id', (limit,)
    ).fetchall()
    first = now - tolerance - len(ahead)
    with transaction(connection):
        connection.executemany(
            'UPDATE windows SET used = ? WHERE id = ?',
            [(first + place, row) for place, (row,) in enumerate(ahead)],
        )
    return now - tolerance


def evict(connection: sqlite3.Connection, most: int) -> None:
    """Remove the lowest ranks until `most` pages are in use."""
    page_size = read_number(connection, 'page_size')
    while True:
        over = (
            read_number(connection, 'page_count')
            - read_number(connection, 'freelist_count')
            - most
        )
        if over <= 0:
            return
        lowest = []
        for number, size in connection.execute(
            'SELECT id, size FROM windows ORDER BY used, id LIMIT ?', (_STEP,)
        ).fetchall():
            lowest.append(number)
            over -= pages(size, page_size)
            if over <= 0:
                break
        if not lowest:
            return
        with transaction(connection):
            remove(connection, lowest)


def read_number(connection: sqlite3.Connection, pragma: str) -> int:
    """Return the number that a pragma gives."""
    return int(connection.execute(f'PRAGMA {pragma}').fetchall()[0][0])
