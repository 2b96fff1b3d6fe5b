"""The thread that answers live wishes: one for the process, without Qt.

Each panel has one wish at a time; a newer one takes its place. Runs go
first: an answer under way makes room for one and starts again afterwards.
Asides, which no label depends on, come after both.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_naclip.layers.counting import count_labels
from napari_naclip.ui.compute import SLOT, threads_left_for_window
from napari_naclip.ui.job_errors import forget_locals
from napari_naclip.ui.reporting import MakeWay, Reporter, take_all

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np
    import numpy.typing as npt

    from napari_naclip.engine.types import (
        Partial,
        Progress,
        Region,
        Segmentation,
    )
    from napari_naclip.ui.kept_live import KeptLive, Shown

#: Seconds that the thread gets when the program ends.
_EXIT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of one plane or region.

    Attributes
    ----------
    kept : KeptLive
    wanted : Shown
    first : Region or None
        What the person looks at, in pixels of what the snapshot reads.
    """

    kept: KeptLive
    wanted: Shown
    first: Region | None


@dataclass(slots=True, eq=False)
class Wish:
    """What a panel wants to be shown.

    Attributes
    ----------
    owner : object
        The panel: of each only the last wish is fulfilled.
    questions : tuple of Question
    reserved_cores : int
        Processor cores that are left to the window.
    is_stopped : threading.Event
        Nobody wants it any more.
    is_replaced : threading.Event
        A newer one waits.
    """

    owner: object
    questions: tuple[Question, ...]
    reserved_cores: int = 1
    is_stopped: threading.Event = field(default_factory=threading.Event)
    is_replaced: threading.Event = field(default_factory=threading.Event)

    def still_asks(self, questions: tuple[Question, ...]) -> bool:
        """Return whether questions are those without an answer.

        In whichever order: another part of the plane may be in sight by now.
        """
        left = {
            id(each.kept): each.wanted
            for each in self.questions
            if each.kept.shown != each.wanted
        }
        return left == {id(each.kept): each.wanted for each in questions}


@dataclass(slots=True, eq=False)
class Aside:
    """Something else to compute from what answers, such as a heat map.

    Attributes
    ----------
    owner : object
        Who asks; must not be a widget, which the thread would keep alive.
    kind : str
        Of each owner and kind only the last one is computed.
    work : callable
        Returns a generator: its steps are where it may be given up, what it
        returns is the answer. Called again where a run or a wish came
        between.
    reserved_cores : int
        Processor cores that are left to the window.
    is_stopped : threading.Event
        Nobody wants it any more.
    """

    owner: object
    kind: str
    work: Callable[[], Generator[object, None, object]] = field(repr=False)
    reserved_cores: int = 1
    is_stopped: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Told:
    """Something about a wish: a part, an answer, progress, an error, the end.

    Attributes
    ----------
    wish : Wish
    question : Question or None
        Which of them it is about.
    what : Partial, Segmentation, Progress, Exception or None
        None: the wish is fulfilled.
    counts : (values,) int array or None
        Of an answer, the pixels of each label value; see ``count_labels``.
    """

    wish: Wish
    question: Question | None
    what: Partial | Segmentation | Progress | Exception | None
    counts: npt.NDArray[np.int64] | None = None


class LiveThread:
    """Fulfills wishes, one after the other.

    Parameters
    ----------
    tell : callable
        Gets each ``Told``, in the thread.
    tell_aside : callable
        Gets each aside, and its answer or the exception that it ended with.
    """

    def __init__(
        self,
        tell: Callable[[Told], object],
        tell_aside: Callable[[Aside, object], object],
    ) -> None:
        self._tell = tell
        self._tell_aside = tell_aside
        # Reentrant, as asking drops what was asked before.
        self._changed = threading.Condition()
        self._waiting: dict[int, Wish] = {}
        self._current: Wish | None = None
        self._asides: dict[tuple[int, str], Aside] = {}
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def submit(self, wish: Wish) -> None:
        """Put a wish in the place of its owner's last one."""
        with self._changed:
            if self._current is not None and (
                self._current.owner is wish.owner
            ):
                self._current.is_replaced.set()
            self._waiting[id(wish.owner)] = wish
            self._wake()

    def ask(self, aside: Aside) -> None:
        """Put an aside in the place of its owner's last one of its kind."""
        with self._changed:
            self.drop(aside.owner, aside.kind)
            self._asides[id(aside.owner), aside.kind] = aside
            self._wake()

    def drop(self, owner: object, kind: str) -> None:
        """Give up an owner's aside of a kind, waiting or under way."""
        with self._changed:
            last = self._asides.pop((id(owner), kind), None)
            if last is not None:
                last.is_stopped.set()

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._thread is None:
            # Daemon: what never returns must not keep the program.
            self._thread = threading.Thread(
                target=self._work, name='napari-naclip live', daemon=True
            )
            self._thread.start()

    def stop(self, wish: Wish) -> None:
        """Give up a wish and what it replaced, waiting or under way."""
        with self._changed:
            wish.is_stopped.set()
            if self._waiting.get(id(wish.owner)) is wish:
                del self._waiting[id(wish.owner)]
            if self._current is not None and (
                self._current.owner is wish.owner
            ):
                # The one that this one replaced may still be under way.
                self._current.is_stopped.set()

    def close(self) -> None:
        """End the thread, at its next step."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            for aside in self._asides.values():
                aside.is_stopped.set()
            self._asides.clear()
            if self._current is not None:
                self._current.is_stopped.set()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(_EXIT_TIMEOUT)

    def _work(self) -> None:
        while True:
            wish: Wish | None = None
            aside: Aside | None = None
            with self._changed:
                self._current = None
                while not (self._waiting or self._asides or self._is_closed):
                    self._changed.wait()
                if self._is_closed:
                    return
                if self._waiting:
                    wish = self._waiting.pop(next(iter(self._waiting)))
                    self._current = wish
                else:
                    aside = next(iter(self._asides.values()))
            if wish is not None:
                try:
                    self._fulfill(wish)
                except Exception as error:  # noqa: BLE001 - others go on
                    forget_locals(error)
                    self._say(wish, None, error)
            if aside is not None:
                self._take_aside(aside)
            # Nothing is held while there is nothing to do.
            del wish, aside

    def _take_aside(self, aside: Aside) -> None:
        """Compute an aside, unless a run or a wish comes between."""
        if not SLOT.try_acquire():
            return
        try:
            with threads_left_for_window(aside.reserved_cores):
                what = self._compute(aside)
        except MakeWay:
            # It stays where it is, for the next time.
            return
        except Exception as error:  # noqa: BLE001 - it goes on for others
            forget_locals(error)
            what = error
        finally:
            SLOT.release()
        with self._changed:
            if aside.is_stopped.is_set():
                return
            del self._asides[id(aside.owner), aside.kind]
        self._tell_aside(aside, what)

    def _compute(self, aside: Aside) -> object:
        steps = aside.work()
        try:
            while not aside.is_stopped.is_set():
                if SLOT.is_wanted or self._waiting:
                    raise MakeWay
                next(steps)
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()
        return None

    def _say(
        self,
        wish: Wish,
        question: Question | None,
        what: Partial | Segmentation | Progress | Exception | None,
        counts: npt.NDArray[np.int64] | None = None,
    ) -> None:
        if not wish.is_stopped.is_set():
            self._tell(Told(wish, question, what, counts))

    def _fulfill(self, wish: Wish) -> None:
        """Answer all questions; one that fails keeps no other from it."""
        done = 0
        failed: Exception | None = None
        while not wish.is_stopped.is_set():
            if not SLOT.try_acquire():
                if wish.is_replaced.is_set():
                    return
                continue
            try:
                with threads_left_for_window(wish.reserved_cores):
                    for question in wish.questions[done:]:
                        outcome = self._try(wish, question)
                        if isinstance(outcome, Exception):
                            forget_locals(outcome)
                            failed = failed or outcome
                        elif not outcome:
                            return
                        done += 1
            except MakeWay:
                continue
            finally:
                SLOT.release()
            self._say(wish, None, failed)
            return

    def _try(self, wish: Wish, question: Question) -> bool | Exception:
        """Return what ``_answer`` returns, or why it cannot be answered."""
        try:
            return self._answer(wish, question)
        except MakeWay:
            raise
        except Exception as error:  # noqa: BLE001 - the next one may go well
            return error

    def _answer(self, wish: Wish, question: Question) -> bool:
        """Answer a question; return whether it was not given up."""
        kept, settings = question.kept, question.wanted.settings
        is_final = not (settings.min_object or settings.max_hole)
        steps = _iter_answer(question)
        try:
            segmentation = take_all(
                steps, Reporter(self._say, wish, question), is_final
            )
        finally:
            steps.close()
        if segmentation is None:
            return False
        counts = count_labels(kept.snapshot, segmentation.labels)
        self._say(wish, question, segmentation, counts)
        return True


def _iter_answer(
    question: Question,
) -> Generator[Progress | Partial, None, Segmentation]:
    wanted, settings = question.wanted, question.wanted.settings
    live = yield from question.kept.wake()
    return (
        yield from live.answer(
            wanted.classes,
            settings,
            first=question.first,
            previews=settings.refine == 'fine',
        )
    )
