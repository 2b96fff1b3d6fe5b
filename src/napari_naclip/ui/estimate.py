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
#: Seconds of the rest of a job for each megapixel of labels, and those for
#: each megapixel and query, on one core. Other machines need a multiple of
#: both, which one run measures.
_REST: Final[dict[Refinement, tuple[float, float]]] = {
    'off': (0.015, 0.001),
    'fast': (0.15, 0.031),
    'fine': (1.2, 0.15),
}


def rest_seconds(pixels: float, queries: int, refine: Refinement) -> float:
    """Return how long a job takes after its windows, as far as is foreseen.

    Parameters
    ----------
    pixels : float
        Of the labels: at full size, however small the model sees the image.
    queries : int
        Prompts, over all classes.
    refine : str
    """
    fixed, each = _REST[refine]
    return 1e-6 * pixels * (fixed + queries * each)


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
    found : int
        How many of those done took no work, because they were kept.
    refined : float
        Share of the job's refinement that is done, behind its windows.
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
    found: int = 0
    refined: float = 0.0
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
        Of the rest of a job, as a multiple of what is foreseen
        (``rest_seconds``).
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
        self, key: Hashable, windows: int, rest: float = 0.0
    ) -> float | None:
        """Return how long a run takes, or None if none ran like it.

        Parameters
        ----------
        key : hashable
        windows : int
            Of all jobs together.
        rest : float
            Sum of ``rest_seconds`` of all jobs.
        """
        rates = self._rates.get(key)
        if rates is None:
            return None
        return windows * rates.window + rest * rates.tail


class _StageClock:
    """Rate of the present stage over its last seconds."""

    def __init__(self) -> None:
        self._stage: tuple[Stage, int] | None = None
        self._seen: deque[tuple[float, int]] = deque()
        self._found = 0

    def update(self, progress: RunProgress, now: float) -> float | None:
        """Take a step in; return steps a second where they are known."""
        stage = progress.stage, progress.job
        if stage != self._stage:
            self._stage = stage
            self._seen.clear()
        seen = self._seen
        made = progress.done - progress.found
        if progress.found != self._found:
            # Finding what was kept says nothing of how long others take.
            self._found = progress.found
            seen.clear()
        seen.append((now, made))
        while len(seen) > 2 and now - seen[1][0] >= _RATE_SPAN:
            seen.popleft()
        span, steps = now - seen[0][0], made - seen[0][1]
        return steps / span if span >= _LEAST_SPAN and steps > 0 else None


class _Refining:
    """Time left of a job's refinement, which goes by its own share.

    Attributes
    ----------
    share : float
        That is done.
    time : float
        Seconds that it took.
    """

    def __init__(self) -> None:
        self.share = self.time = 0.0
        # What comes before the first rows is no measure of the others.
        self._first: float | None = None
        self._measured = 0.0

    def update(self, share: float, seconds: float) -> None:
        """Take in how far it is, and how long that took since the last."""
        self.time += seconds
        self.share = share
        if self._first is None:
            self._first = share
        else:
            self._measured += seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds; None while too little was seen."""
        done = self.share - (self._first or 0.0)
        if done < _SHARE_KNOWN:
            return None
        return self._measured * (1 - self.share) / done


class RunEstimator:
    """Time left of a run, from its own windows as soon as there are some.

    Parameters
    ----------
    sizes : sequence of float
        Pixels of each job's labels.
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
        self._rests = [rest_seconds(size, queries, refine) for size in sizes]
        self._prior = 1.0 if known is None else known.tail
        self._clock = _StageClock()
        self._job = 0
        self._last = 0.0
        # Of the present job.
        self._windows = 0
        self._windows_done = self._made = self._found = 0
        self._refining = _Refining()
        # Of all jobs.
        self._all_done = 0
        self._warm_up = (0.0, 0)
        self._measured = (0.0, 0)
        self._tail_time = 0.0
        self._tail_foreseen = 0.0

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
        if self._windows and progress.refined > self._refining.share:
            self._refining.update(progress.refined, now - self._last)
            self._tail_time += now - self._last
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
        return Rates(rate, self._tail_time / self._tail_foreseen)

    def _count_windows(self, progress: RunProgress, now: float) -> None:
        if progress.job != self._job:
            if self._windows:
                self._end_job(now)
            self._job = progress.job
            self._windows = progress.total
            self._windows_done = progress.done
            self._found = progress.found
            self._made = progress.done - progress.found
            self._refining = _Refining()
            self._last = now
            return
        self._windows_done = progress.done
        made = progress.done - progress.found
        steps, self._made = made - self._made, made
        found, self._found = progress.found - self._found, progress.found
        # Windows that were kept say nothing of how long others take.
        if found and not steps:
            self._last = now
        if steps > 0:
            # The first batch warms the processor up: it counts only while
            # there is no other.
            if self._warm_up[1] == 0:
                self._warm_up = now - self._last, steps
            else:
                time, count = self._measured
                self._measured = time + now - self._last, count + steps
            self._all_done += steps
            self._last = now

    def _end_job(self, now: float) -> None:
        self._tail_time += now - self._last
        self._tail_foreseen += self._rests[self._job - 1]
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
        refining = self._refining
        if self._tail_foreseen:
            factor = (self._tail_time - refining.time) / self._tail_foreseen
        else:
            factor = self._prior
        whole = factor * self._rests[self._job - 1]
        here_tail = max(0.0, whole - refining.time)
        seen = refining.seconds_left
        if seen is not None:
            here_tail = seen
            if not self._tail_foreseen:
                factor = (refining.time + seen) / self._rests[self._job - 1]
        return (
            (here + later) * rate
            + here_tail
            + factor * sum(self._rests[self._job :])
        )
