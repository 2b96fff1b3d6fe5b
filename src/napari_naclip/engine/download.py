"""The download of weights: goes on where it ended, and is checked.

The hub's library says where a file is, how large and which version, and its
session (with its proxies, token and offline mode) makes the connection. The
bytes are taken here, because that library drops them when a transfer ends
early. They go to a part file beside the target, which becomes the target only
when size and SHA-256 are right. A lock keeps two processes apart.

Connections are read in a thread that touches no file (``transfer``); whoever
advances the generator writes. So a stalled connection never holds up a cancel.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

import filelock
import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from napari_naclip.engine.download_errors import (
    explain_transfer,
    explained_storage,
)
from napari_naclip.engine.errors import NetworkError, StorageError
from napari_naclip.engine.hub import (
    PART_SUFFIX,
    beside,
    find_cached,
    find_started,
    folder_variable,
    make_weights_folder,
    weights_path,
)
from napari_naclip.engine.part import Part
from napari_naclip.engine.transfer import (
    CONNECT_TIMEOUT,
    END,
    POLL_INTERVAL,
    Reader,
    Remote,
    Start,
    WrongRangeError,
)
from napari_naclip.engine.types import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_naclip.engine.entry import RegistryEntry

T = TypeVar('T')

#: Seconds in which the hub must have said what it has, names looked up too.
ANSWER_TIMEOUT: Final = 15.0
#: Seconds before each new try after a connection broke without a byte.
RETRY_PAUSES: Final = (0.5, 1.0, 2.0)
#: Seconds between two progress messages while bytes come fast.
_REPORT_INTERVAL = 0.05
#: Share of free space beyond the missing bytes that a download needs.
_SPACE_RESERVE = 1.02
#: Answers after which another try may help.
_PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


def download(entry: RegistryEntry) -> Generator[Progress, None, Path]:
    """Yield progress in bytes; return the complete, checked file.

    Bytes of an earlier, unfinished download count as done from the start.
    Closing the generator ends the transfer within a second and keeps what
    has arrived. If another process downloads the same file, its progress is
    shown and its file returned.

    Raises
    ------
    NetworkError
        If the hub cannot be reached, the transfer breaks off, or what
        arrived is not what the hub announced.
    StorageError
        If the file cannot be written.
    """
    started = find_started(entry)
    first = Progress('download')
    if started is not None:
        first = Progress('download', started.present, started.size)
    yield first
    path = find_cached(entry)
    if path is not None:
        return path
    entry, remote = yield from ask(entry, progress=first)
    return (yield from bring(entry, remote))


def ask(
    entry: RegistryEntry,
    *,
    revision: str | None = None,
    progress: Progress | None = None,
) -> Generator[Progress, None, tuple[RegistryEntry, Remote]]:
    """Yield while the hub is asked; return which file it has, and where.

    Parameters
    ----------
    entry : RegistryEntry
    revision : str, optional
        A commit; the newest one by default.
    progress : Progress, optional
        What is yielded; by default that a download runs.

    Returns
    -------
    entry : RegistryEntry
        With the one file that the hub has.
    remote : Remote

    Raises
    ------
    NetworkError
        If the hub cannot be reached, or has no such file.
    """
    try:
        asking = _in_thread(lambda: _ask(entry, revision))
        return (yield from _repeat(progress or Progress('download'), asking))
    except Exception as error:
        raise explain_transfer(entry, error) from error


def bring(
    entry: RegistryEntry, remote: Remote
) -> Generator[Progress, None, Path]:
    """Yield progress in bytes until a file is in its place; see ``download``.

    Parameters
    ----------
    entry : RegistryEntry
        Its ``weights_path`` is the place.
    remote : Remote
    """
    target = weights_path(entry)
    with contextlib.ExitStack() as stack:
        _check_room(entry, target, remote)
        with explained_storage():
            make_weights_folder()
            target.parent.mkdir(parents=True, exist_ok=True)
        yield from _lock(target, remote, stack)
        if target.is_file():  # another process has finished it
            return target
        part = Part(target, etag=remote.etag, size=remote.size)
        stack.callback(part.close)
        with explained_storage():
            for _ in part.open():
                yield Progress('download', part.done, remote.size)
        yield Progress('download', part.done, remote.size)
        yield from _fetch(entry, remote, part)
        if not part.is_right:
            part.discard()
            raise NetworkError(
                f'What arrived of {entry.name} is not what the hub announced '
                'and was removed. Download it again; if that fails too, '
                'something between here and the hub changes the file.'
            )
        with explained_storage():
            part.finish()
    return target


def ask_size(entry: RegistryEntry) -> Generator[Progress, None, int]:
    """Yield while the hub is asked; return the bytes of a model's file.

    Raises
    ------
    ModelError
        If open_clip does not know the tag.
    NetworkError
        If the hub cannot be reached, or has no such file.
    """
    if entry.tag and not entry.repo:
        from napari_naclip.engine.clip.tags import complete

        entry = complete(entry)
    _, remote = yield from ask(entry)
    return remote.size


def _ask(
    entry: RegistryEntry, revision: str | None = None
) -> tuple[RegistryEntry, Remote]:
    """Return which of the files the repository has, and where."""
    *others, last = entry.files
    for file in others:
        try:
            return _ask_for(dataclasses.replace(entry, file=file), revision)
        except LocalEntryNotFoundError:  # the connection is gone
            raise
        except EntryNotFoundError:
            continue
    return _ask_for(dataclasses.replace(entry, file=last), revision)


def _ask_for(
    entry: RegistryEntry, revision: str | None
) -> tuple[RegistryEntry, Remote]:
    url = huggingface_hub.hf_hub_url(entry.repo, entry.file, revision=revision)
    metadata = huggingface_hub.get_hf_file_metadata(
        url, timeout=CONNECT_TIMEOUT
    )
    if not metadata.size:
        raise ValueError('the hub does not say how large the file is')
    commit = metadata.commit_hash or ''
    if commit:
        # This version, should another be published on the way.
        url = huggingface_hub.hf_hub_url(
            entry.repo, entry.file, revision=commit
        )
    return entry, Remote(url, metadata.etag or '', metadata.size, commit)


def _check_room(entry: RegistryEntry, target: Path, remote: Remote) -> None:
    started = find_started(entry)
    present = 0
    if started is not None and started.etag == remote.etag:
        present = started.present
    folder = target.parent
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    missing = remote.size - present
    free = shutil.disk_usage(existing).free
    if free < missing * _SPACE_RESERVE:
        raise StorageError(
            f'{entry.name} needs {missing / 1e6:.0f} MB in {folder}, where '
            f'{free / 1e6:.0f} MB are free. Make room, or set '
            f'{folder_variable()} to a folder on another disk.'
        )


def _lock(
    target: Path, remote: Remote, stack: contextlib.ExitStack
) -> Generator[Progress, None, None]:
    """Yield what another process has until the file is ours to write."""
    # A generator may be closed by another thread than the one it ran in.
    path = beside(target, '.lock')
    lock: filelock.BaseFileLock = filelock.FileLock(path, thread_local=False)
    while True:
        try:
            with explained_storage():
                lock.acquire(timeout=0)
        except filelock.Timeout:
            done = _size_of(beside(target, PART_SUFFIX))
            yield Progress('download', min(done, remote.size), remote.size)
            time.sleep(POLL_INTERVAL)
        except NotImplementedError:  # a disk that knows no locks
            lock = filelock.SoftFileLock(path, thread_local=False)
        else:
            stack.callback(lock.release)
            return


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _fetch(
    entry: RegistryEntry, remote: Remote, part: Part
) -> Generator[Progress, None, None]:
    """Yield progress until the part has all bytes, over several tries."""
    failures = 0
    while part.done < remote.size:
        before = part.done
        try:
            yield from _take(remote, part)
            if part.done < remote.size:
                raise ConnectionError('the connection ended early')  # noqa: TRY301
        except StorageError:
            raise
        except Exception as error:
            has_grown = part.done > before
            if isinstance(error, WrongRangeError):
                part.restart()
                has_grown = False
            elif not _may_pass(error):
                raise explain_transfer(entry, error) from error
            failures = 1 if has_grown else failures + 1
            if failures > len(RETRY_PAUSES):
                raise explain_transfer(entry, error) from error
            resume = time.monotonic() + RETRY_PAUSES[failures - 1]
            while time.monotonic() < resume:
                time.sleep(POLL_INTERVAL)
                yield Progress('download', part.done, remote.size)


def _take(remote: Remote, part: Part) -> Generator[Progress, None, None]:
    """Yield progress while one response is written to the part."""
    reader = Reader(remote, part.done)
    reported = time.monotonic()
    try:
        while True:
            item = reader.get()
            now = time.monotonic()
            if item is None or now - reported > _REPORT_INTERVAL:
                reported = now
                yield Progress('download', part.done, remote.size)
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Start):
                if item.offset != part.done:  # it ignores ranges
                    part.restart()
                    yield Progress('download', 0, remote.size)
            elif isinstance(item, bytes):
                if part.done + len(item) > remote.size:
                    raise WrongRangeError('more bytes than announced')
                with explained_storage():
                    part.write(item)
            elif item is END:
                yield Progress('download', part.done, remote.size)
                return
    finally:
        reader.close()


def _in_thread(function: Callable[[], T]) -> Generator[None, None, T]:
    """Yield until a function that may hang has returned."""
    outcome: list[tuple[T | None, Exception | None]] = []

    def call() -> None:
        try:
            outcome.append((function(), None))
        except Exception as error:  # noqa: BLE001 - raised again below
            outcome.append((None, error))

    thread = threading.Thread(
        target=call, name='napari-naclip question', daemon=True
    )
    thread.start()
    deadline = time.monotonic() + ANSWER_TIMEOUT
    while thread.is_alive():
        if time.monotonic() > deadline:
            raise TimeoutError('the hub did not answer in time')
        yield
        thread.join(POLL_INTERVAL)
    result, error = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value] # a function without error


def _repeat(
    progress: Progress, steps: Generator[None, None, T]
) -> Generator[Progress, None, T]:
    """Yield the same progress at each step."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value
        yield progress


def _may_pass(error: Exception) -> bool:
    """Return whether another try may end otherwise."""
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _PASSING_STATUSES
    return True
