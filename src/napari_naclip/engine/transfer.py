"""One response of the hub, read in a thread that touches no file."""

from __future__ import annotations

import contextlib
import queue
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from huggingface_hub import constants
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds to wait for a connection and for the hub's first answer.
CONNECT_TIMEOUT: Final = 5.0
#: Seconds between two looks at what others do.
POLL_INTERVAL: Final = 0.1
#: Pieces of a response that may wait to be written.
_QUEUED = 64
#: Bytes of a piece, at most.
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Remote:
    """A version of a file, as the hub describes it.

    The commit is empty where the hub tells none.
    """

    url: str
    etag: str
    size: int
    commit: str = ''


@dataclass(frozen=True, slots=True)
class Start:
    """The first item of a response: where in the file its bytes begin."""

    offset: int


#: The last item of a response.
END: Final = object()


class WrongRangeError(Exception):
    """The server sends other bytes than those that were asked for."""


class Reader:
    """Reads one response in a thread of its own.

    Parameters
    ----------
    remote : Remote
    offset : int
        First byte to ask for.
    """

    def __init__(self, remote: Remote, offset: int) -> None:
        self._remote = remote
        self._offset = offset
        self._items: queue.Queue[object] = queue.Queue(_QUEUED)
        self._stop = threading.Event()
        threading.Thread(
            target=self._read, name='napari-naclip download', daemon=True
        ).start()

    def get(self) -> object:
        """Return a ``Start``, bytes, an exception, the end, or None yet."""
        try:
            return self._items.get(timeout=POLL_INTERVAL)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Let the thread end, at the latest when its read times out."""
        self._stop.set()

    def _read(self) -> None:
        try:
            with _open(self._remote, self._offset) as (start, chunks):
                self._put(Start(start))
                for chunk in chunks:
                    if not self._put(bytes(chunk)):
                        return
            self._put(END)
        except Exception as error:  # noqa: BLE001 - raised by who reads
            self._put(error)

    def _put(self, item: object) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._items.put(item, timeout=POLL_INTERVAL)
                return True
        return False


@contextlib.contextmanager
def _open(
    remote: Remote, offset: int
) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Give the first byte's place in the file, and the bytes from there."""
    headers = {**build_hf_headers(), 'Accept-Encoding': 'identity'}
    if offset:
        headers['Range'] = f'bytes={offset}-'
    session: Any = get_session()
    patience = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
    if callable(session.stream):  # httpx, since version 1 of the library
        timeout = (CONNECT_TIMEOUT, patience, patience, CONNECT_TIMEOUT)
        opened = session.stream(
            'GET',
            remote.url,
            headers=headers,
            timeout=timeout,
            follow_redirects=True,
        )
    else:  # requests
        opened = session.get(
            remote.url,
            headers=headers,
            timeout=(CONNECT_TIMEOUT, patience),
            stream=True,
        )
    with opened as response:
        if response.status_code == 416:
            raise WrongRangeError('the server has no such bytes')
        hf_raise_for_status(response)
        start = _first_byte(response, remote, offset)
        if hasattr(response, 'iter_raw'):
            yield start, response.iter_raw()
        else:
            yield start, response.iter_content(_CHUNK)


def _first_byte(response: Any, remote: Remote, offset: int) -> int:
    if response.status_code != 206:
        return 0
    found = re.fullmatch(
        r'bytes (\d+)-\d+/(\d+|\*)', response.headers.get('Content-Range', '')
    )
    if (
        found is None
        or int(found[1]) != offset
        or found[2] not in ('*', str(remote.size))
    ):
        raise WrongRangeError('the server sends other bytes')
    return offset
