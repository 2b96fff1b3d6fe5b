"""How long a run still takes, from the steps it has done: plain arithmetic.

Knows neither Qt nor the engine's arrays; every time is handed in, so that
tests need no clock. A run is a number of jobs (planes or regions), each of
them windows and a rest: refinement, labels at full size, reading the next.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from napari_naclip.engine.types import Refinement, Stage

#: Share of all windows after which the time of the whole run is told.
_SHARE_KNOWN: Final = 0.05
#: Seconds over which the rate of a stage is averaged: a download's changes.
_RATE_SPAN: Final = 5.0
#: Seconds that a rate must rest on.
_LEAST_SPAN: Final = 0.5
#: Seconds of the rest of a job for each window and query where none was
#: measured yet, from a desktop CPU; one run replaces them.
_TAIL_PRIOR: Final[dict[str, float]] = {
    'off': 2e-5,
    'fast': 1e-3,
    'fine': 1.5e-2,
}


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run of several jobs is.

    Attributes
    ----------
    stage : str
        What is being done.
    done, total : int
        Steps of the stage; a total of 0 means that it is not known.
    job, jobs : int
        Number of the job, from 1, and how many there are.
    unit : {'plane', 'region'}
        What a job is.
    rate : float or None
        Steps of the stage a second; bytes, for a download.
    stage_left, run_left : float or None
        Seconds that the stage and the whole run still take, where known.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    job: int = 1
    jobs: int = 1
    unit: Literal['plane', 'region'] = 'plane'
    rate: float | None = None
    stage_left: float | None = None
    run_left: float | None = None

    @property
    def share(self) -> float | None:
        """Share of the run, 0 to 1, that is done; None where not known.

        With one job it is the stage's share.
        """
        part = self.done / self.total if self.total else None
        if self.jobs == 1:
            return part
        # Refinement comes after the windows of a job: it is nearly done then.
        inside = 1.0 if self.stage == 'refine' else part or 0.0
        return (self.job - 1 + inside) / self.jobs


@dataclass(frozen=True, slots=True)
class Rates:
    """What a run has measured.

    Attributes
    ----------
    window : float
        Seconds a window.
    tail : float
        Seconds of the rest of a job for each of its windows and queries.
    """

    window: float
    tail: float


class RateBook:
    """The rates of the last runs of this process."""

    def __init__(self) -> None:
        self._rates: dict[Hashable, Rates] = {}

    def remember(self, key: Hashable, rates: Rates) -> None:
        """Keep what a run has measured.

        Parameters
        ----------
        key : hashable
            All that decides the rates: model, device, precision, window size
            and refinement (``compute.rate_key``).
        rates : Rates
        """
        self._rates[key] = rates

    def find(self, key: Hashable) -> Rates | None:
        """Return the last rates for a key, or None."""
        return self._rates.get(key)

    def seconds(
        self, key: Hashable, windows: int, queries: int = 1
    ) -> float | None:
        """Return how long a run takes, or None if none ran like it.

        Parameters
        ----------
        key : hashable
        windows : int
            Of all jobs together.
        queries : int
            Prompts, over all classes.
        """
        rates = self._rates.get(key)
        if rates is None:
            return None
        return windows * (rates.window + queries * rates.tail)


class _StageClock:
    """Rate of the present stage over its last seconds."""

    def __init__(self) -> None:
        self._stage: tuple[Stage, int] | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, progress: RunProgress, now: float) -> float | None:
        """Take a step in; return steps a second where they are known."""
        stage = progress.stage, progress.job
        if stage != self._stage:
            self._stage = stage
            self._seen.clear()
        seen = self._seen
        seen.append((now, progress.done))
        while len(seen) > 2 and now - seen[1][0] >= _RATE_SPAN:
            seen.popleft()
        span, steps = now - seen[0][0], progress.done - seen[0][1]
        return steps / span if span >= _LEAST_SPAN and steps > 0 else None


class RunEstimator:
    """Time left of a run, from its own windows as soon as there are some.

    Parameters
    ----------
    sizes : sequence of float
        Size of each job, in any unit: pixels.
    queries : int
        Prompts, over all classes.
    refine : str
    known : Rates or None
        Of an earlier run.
    """

    def __init__(
        self,
        sizes: Sequence[float] = (1.0,),
        *,
        queries: int = 1,
        refine: Refinement = 'off',
        known: Rates | None = None,
    ) -> None:
        self._sizes = tuple(sizes)
        self._queries = queries
        self._prior = _TAIL_PRIOR[refine] if known is None else known.tail
        self._clock = _StageClock()
        self._job = 0
        self._last = 0.0
        # Of the present job.
        self._windows = 0
        self._windows_done = 0
        self._is_first_batch = True
        self._refined = 0.0
        self._refined_time = 0.0
        # Of all jobs.
        self._all_done = 0
        self._warm_up = (0.0, 0)
        self._measured = (0.0, 0)
        self._tail_time = 0.0
        self._tail_windows = 0

    def update(self, progress: RunProgress, now: float) -> RunProgress:
        """Take a step in; return it with what is known of the time.

        Parameters
        ----------
        progress : RunProgress
        now : float
            Seconds of any steady clock.
        """
        rate = self._clock.update(progress, now)
        if progress.stage == 'windows':
            self._count_windows(progress, now)
        elif progress.stage == 'refine' and self._windows:
            self._refined_time += now - self._last
            self._tail_time += now - self._last
            self._refined = (
                progress.done / progress.total if progress.total else 0.0
            )
            self._last = now
        stage_left = None
        if rate and progress.done >= _SHARE_KNOWN * progress.total > 0:
            stage_left = (progress.total - progress.done) / rate
        return dataclasses.replace(
            progress,
            rate=rate,
            stage_left=stage_left,
            run_left=self.seconds_left,
        )

    def finish(self, now: float) -> Rates | None:
        """Take the end of the run in; return what it has measured."""
        if not self._windows:
            return None
        self._end_job(now)
        rate = self._seconds_per_window
        if rate is None:
            return None
        return Rates(
            rate, self._tail_time / self._tail_windows / self._queries
        )

    def _count_windows(self, progress: RunProgress, now: float) -> None:
        if progress.job != self._job:
            if self._windows:
                self._end_job(now)
            self._job = progress.job
            self._windows = progress.total
            self._windows_done = progress.done
            self._refined = self._refined_time = 0.0
            self._last = now
            return
        steps = progress.done - self._windows_done
        if steps > 0:
            # The first batch warms the processor up: it counts only while
            # there is no other.
            if self._warm_up[1] == 0:
                self._warm_up = now - self._last, steps
            else:
                time, count = self._measured
                self._measured = time + now - self._last, count + steps
            self._windows_done = progress.done
            self._all_done += steps
            self._last = now

    def _end_job(self, now: float) -> None:
        self._tail_time += now - self._last
        self._tail_windows += self._windows
        self._last = now

    @property
    def _seconds_per_window(self) -> float | None:
        for time, count in (self._measured, self._warm_up):
            if count:
                return time / count
        return None

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the run still takes; None while not known."""
        rate = self._seconds_per_window
        if rate is None:
            return None
        # The windows of a job that has not begun go by its size.
        per_size = self._windows / self._sizes[self._job - 1]
        later = per_size * sum(self._sizes[self._job :])
        here = self._windows - self._windows_done
        if self._all_done < _SHARE_KNOWN * (self._all_done + here + later):
            return None
        if self._tail_windows:
            finished = self._tail_time - self._refined_time
            tail = finished / self._tail_windows
        else:
            tail = self._prior * self._queries
        if self._refined > 0:
            whole = self._refined_time / self._refined
            here_tail = whole - self._refined_time
            if not self._tail_windows:
                tail = whole / self._windows
        else:
            here_tail = max(0.0, tail * self._windows - self._refined_time)
        return (here + later) * rate + here_tail + later * tail
