"""Which windows are run next, and which are under way.

Windows are read in the caller's thread while another one runs those that were
read before: a slow disk, or a hash, does not keep the tower waiting.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_naclip.engine import host_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows that are run together.

    Attributes
    ----------
    windows : list of int
    pictures : (B, 3, rows, columns) float32 Tensor
        Their normalized pixels, each in its slot.
    tokens : Future of (B, rows, columns, D) float32 Tensor
        Their unit tokens, or what the tower raised.
    """

    windows: list[int]
    pictures: torch.Tensor
    tokens: Future[torch.Tensor]


class Agenda:
    """Windows that have to be run, batch by batch.

    Parameters
    ----------
    windows : sequence of int
        That are wanted.
    more : sequence of int
        That may come along where a batch has room.
    slots : sequence of int
        Of every window.
    size : int
        Windows in a batch.
    is_there : callable
        Tells whether a window need not be run.
    """

    def __init__(
        self,
        windows: Sequence[int],
        more: Sequence[int],
        slots: Sequence[int],
        size: int,
        is_there: Callable[[int], bool],
    ) -> None:
        self._order = [*windows, *more]
        self._wanted = len(windows)
        self._slots = slots
        self._size = size
        self._is_there = is_there
        self._taken: set[int] = set()
        self._at = 0

    @property
    def is_done(self) -> bool:
        """Whether all that are wanted are there or were taken."""
        while self._at < self._wanted:
            if self._is_missing(self._order[self._at]):
                return False
            self._at += 1
        return True

    def take(self) -> list[int]:
        """Return the windows of the next batch; none if no more is wanted.

        The first one is wanted, and the first of those that are missing.

        Raises
        ------
        Exception
            What it raised to ask whether that one is there.
        """
        if self.is_done:
            return []
        found: dict[int, int] = {}
        # No further than that: what is there would be fetched for nothing.
        for window in self._order[self._at :][: 2 * self._size]:
            if len(found) == self._size:
                break
            slot = self._slots[window]
            if slot in found:
                continue
            try:
                if self._is_missing(window):
                    found[slot] = window
            except Exception:
                if not found:
                    raise
                # Its turn may come, or not; those before need not wait.
                break
        self._taken.update(found.values())
        return list(found.values())

    def _is_missing(self, window: int) -> bool:
        return window not in self._taken and not self._is_there(window)


class UnderWay:
    """Batches in the order of the agenda, the next one read meanwhile.

    Parameters
    ----------
    agenda : Agenda
    read : callable
        Returns the (B, 3, rows, columns) pixels of some windows.
    run : callable
        Returns the tokens of such pixels.
    runs_beside : bool
        Whether a thread runs them, while this one reads.
    """

    def __init__(
        self,
        agenda: Agenda,
        read: Callable[[list[int]], torch.Tensor],
        run: Callable[[torch.Tensor], torch.Tensor],
        *,
        runs_beside: bool,
    ) -> None:
        self._agenda = agenda
        self._read = read
        self._run = run
        self._thread: ThreadPoolExecutor | None = None
        if runs_beside:
            self._thread = ThreadPoolExecutor(1, 'napari-naclip tower')
        self._batches: deque[Batch] = deque()
        #: Why no more is read.
        self._failure: Exception | None = None

    def next(self) -> Batch | None:
        """Return the first batch, which may not be done; None: all were.

        Raises
        ------
        Exception
            What reading a window raised, after the last batch that was read
            before.
        """
        # One that runs, one that waits for it.
        room = 1 if self._thread is None else 2
        while self._failure is None and len(self._batches) < room:
            try:
                # What tells whether a window is there has to read it.
                windows = self._agenda.take()
                if not windows:
                    break
                pictures = self._read(windows)
            except Exception as error:  # noqa: BLE001 - raised at the end
                self._failure = error
                break
            self._batches.append(
                Batch(windows, pictures, self._submit(pictures))
            )
        if self._batches:
            return self._batches.popleft()
        if self._failure is not None:
            raise self._failure
        return None

    def _submit(self, pictures: torch.Tensor) -> Future[torch.Tensor]:
        if self._thread is not None:
            return self._thread.submit(self._run, pictures)
        future: Future[torch.Tensor] = Future()
        try:
            future.set_result(self._run(pictures))
        except Exception as error:  # noqa: BLE001 - raised by who asks for it
            future.set_exception(error)
        return future

    def wait(self) -> None:
        """Wait until nothing is run any more."""
        wait([each.tokens for each in self._batches])

    def end(self) -> None:
        """Drop what was not begun, and wait for the rest."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._batches.clear()
        if self._thread is not None:
            # The labels are made by another thread than the tokens.
            host_memory.trim()
