"""What a part of the panel has computed beside the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QObject

from napari_naclip.ui.live_thread import Aside
from napari_naclip.ui.messenger import find_messenger
from napari_naclip.ui.preferences import read_preferences

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar('T')


class Asides(QObject):
    """Asks the thread of live answers, and takes what it says.

    For what uses the same ``LiveSegmentation`` as the labels, which only one
    thread may use. Live answers and runs come first.

    Parameters
    ----------
    parent : QObject
        With it everything that was asked ends.
    """

    def __init__(self, parent: QObject | None) -> None:
        super().__init__(parent)
        # Of this object, for the thread, which must not hold the object.
        self._token = object()
        self._asked: dict[
            str,
            tuple[
                Aside, Callable[[object], None], Callable[[Exception], None]
            ],
        ] = {}
        find_messenger().told_aside.connect(self._on_told)

    def ask(
        self,
        kind: str,
        work: Callable[[], Generator[object, None, T]],
        then: Callable[[T], None],
        fail: Callable[[Exception], None],
    ) -> None:
        """Have something computed; it takes the place of the last of its kind.

        Parameters
        ----------
        kind : str
        work : callable
            Called in the thread, maybe more than once. Returns a generator
            that returns the answer; it may be given up between its steps. It
            must not hold a widget.
        then : callable
            Called in this thread with the answer.
        fail : callable
            Called in this thread with the exception that came instead.
        """
        aside = Aside(
            self._token,
            kind,
            work,
            reserved_cores=read_preferences().reserved_cores,
        )
        self._asked[kind] = (aside, then, fail)  # type: ignore[assignment]
        find_messenger().answers.ask(aside)

    def is_asked(self, kind: str) -> bool:
        """Return whether an answer of a kind is still to come."""
        return kind in self._asked

    def drop(self, kind: str) -> None:
        """Give up what was asked of a kind, if it was."""
        if self._asked.pop(kind, None) is not None:
            find_messenger().answers.drop(self._token, kind)

    def drop_all(self) -> None:
        """Give up everything."""
        for kind in tuple(self._asked):
            self.drop(kind)

    def _on_told(self, aside: Aside, what: object) -> None:
        asked = self._asked.get(aside.kind)
        # One that was replaced may have been on its way.
        if asked is None or asked[0] is not aside:
            return
        del self._asked[aside.kind]
        _, then, fail = asked
        if isinstance(what, Exception):
            fail(what)
        else:
            then(what)
