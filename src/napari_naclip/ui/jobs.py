"""What a run computes: one job after the other, without Qt."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_naclip.engine.errors import BlankImageError
from napari_naclip.engine.types import Partial, Progress
from napari_naclip.io.kept_features import shared_store
from napari_naclip.layers.counting import count_labels
from napari_naclip.ui.compute import SLOT, threads_left_for_window
from napari_naclip.ui.estimate import RunProgress
from napari_naclip.ui.imports import (
    collect_once,
    prepare_labels,
    young_collections,
)
from napari_naclip.ui.job_errors import forget_locals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy.typing as npt
    from napari.layers import Image

    from napari_naclip.engine.device import ComputeChoice
    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.models import Model
    from napari_naclip.engine.store import FeatureStore
    from napari_naclip.engine.types import (
        ClassList,
        Segmentation,
        Settings,
    )
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.read import PlaneSnapshot
    from napari_naclip.ui.compute import ModelRequest

#: Seconds that a run waits for its layer; nobody may be there to add one.
_LAYER_TIMEOUT = 1.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """All that a run needs, taken from widget and layers when it starts.

    Attributes
    ----------
    image : Image
    snapshots : tuple of PlaneSnapshot
        One for each plane or region, at least one.
    classes : ClassList
    settings : Settings
    model : ModelRequest
    target : Result or None
        The result that is updated; None: a new one.
    reserved_cores : int
        Processor cores that are left to the window.
    """

    image: Image
    snapshots: tuple[PlaneSnapshot, ...]
    classes: ClassList
    settings: Settings
    model: ModelRequest
    target: Result | None
    reserved_cores: int = 1

    @property
    def snapshot(self) -> PlaneSnapshot:
        """The first plane."""
        return self.snapshots[0]

    @property
    def unit(self) -> Literal['plane', 'region']:
        """What a job is."""
        if any(each.region is not None for each in self.snapshots):
            return 'region'
        return 'plane'


@dataclass(frozen=True, slots=True)
class Imported:
    """All that is imported once is there, and so are the weights.

    The run waits until ``handled`` is set: a new layer is added meanwhile,
    which takes longer beside a thread that computes.
    """

    handled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model is there; says where it runs."""

    choice: ComputeChoice | None


@dataclass(frozen=True, slots=True)
class Part:
    """Labels that are ready before the rest of their plane."""

    snapshot: PlaneSnapshot
    partial: Partial


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of one job.

    Attributes
    ----------
    snapshot : PlaneSnapshot
    segmentation : Segmentation or None
        None where a plane of several is blank and was left out: stacks often
        begin and end with such planes.
    live : LiveSegmentation or None
        Answers later questions about the plane.
    counts : (values,) int array or None
        Pixels of each label value; see ``count_labels``.
    """

    snapshot: PlaneSnapshot
    segmentation: Segmentation | None = field(repr=False)
    live: LiveSegmentation | None = field(default=None, repr=False)
    counts: npt.NDArray[np.int64] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """A run of which every job has finished."""

    finished: int = 1


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A run that the person stopped after so many jobs."""

    finished: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that ended in an error after so many jobs.

    The error keeps its traceback, but no local variable of it: those would
    hold image and model.
    """

    error: Exception
    finished: int = 0


Outcome = Done | Cancelled | Failed
Item = RunProgress | Imported | Loaded | Part | Finished


def iter_run(request: RunRequest) -> Generator[Item, None, None]:
    """Yield progress, parts and results of all jobs; holds the slot.

    Raises
    ------
    BlankImageError
        If all of them are blank.
    """
    jobs = len(request.snapshots)

    def tell(progress: Progress, job: int = 1) -> RunProgress:
        return RunProgress(
            **asdict(progress), job=job, jobs=jobs, unit=request.unit
        )

    for progress in SLOT.acquire():
        yield tell(progress)
    try:
        if request.target is None:
            yield RunProgress('import', jobs=jobs, unit=request.unit)
            prepare_labels(np.dtype(request.classes.label_dtype))
        loading = SLOT.load(request.model)
        model = yield from _load(loading, tell)
        yield Loaded(model.choice)
        from napari_naclip.engine.segment import iter_live

        pixels: Any = None
        before: PlaneSnapshot | None = None
        blank = 0
        with (
            threads_left_for_window(request.reserved_cores),
            # One pass over all planes: those that come late would else push
            # out, one after the other, what the same run needs once more.
            shared_store().begin() as kept,
        ):
            for job, snapshot in enumerate(request.snapshots, 1):
                # Regions of one lattice share the pixels of their plane.
                if pixels is None or not _is_same_plane(before, snapshot):
                    reading = Progress('read')
                    yield tell(reading, job)
                    # Room for the next plane before it is read.
                    pixels = None
                    for _ in snapshot.find_limits():
                        yield tell(reading, job)
                    pixels, before = snapshot.read(), snapshot
                steps = iter_live(
                    pixels,
                    request.classes,
                    model=model,
                    settings=snapshot.adapt(request.settings),
                    region=snapshot.engine_region,
                    store=kept,
                )
                try:
                    while True:
                        step: Progress | Partial = next(steps)
                        if isinstance(step, Partial):
                            yield Part(snapshot, step)
                        else:
                            yield tell(step, job)
                except StopIteration as stop:
                    live, segmentation = stop.value
                    counts = count_labels(snapshot, segmentation.labels)
                    yield Finished(snapshot, segmentation, live, counts)
                    del live
                    if jobs > 1:
                        # What is done need not be done again after a crash.
                        write_features(shared_store())
                except BlankImageError:
                    blank += 1
                    if blank == jobs:
                        raise
                    yield Finished(snapshot, None)
                finally:
                    steps.close()
    finally:
        SLOT.release()


def write_features(store: FeatureStore) -> None:
    """Write to the disk what only memory keeps; never raises.

    Parameters
    ----------
    store : FeatureStore
    """
    try:
        store.flush()
    except Exception as error:  # noqa: BLE001 - the labels are what counts
        _logger.warning('Features are kept in memory only: %s', error)
        forget_locals(error)


def _load(
    steps: Generator[Progress, None, Model],
    tell: Callable[[Progress], RunProgress],
) -> Generator[RunProgress | Imported, None, Model]:
    is_imported = False
    step = Progress('import')
    try:
        while True:
            is_import = step.stage == 'import'
            with (
                young_collections() if is_import else contextlib.nullcontext()
            ):
                step = next(steps)
            # Weights that are missing were noticed before it.
            if step.stage == 'load' and not is_imported:
                is_imported = True
                yield from _tell_imported()
            yield tell(step)
    except StopIteration as stop:
        if not is_imported:
            yield from _tell_imported()
        model: Model = stop.value
        return model
    finally:
        steps.close()


def _tell_imported() -> Generator[Imported, None, None]:
    # Before there is a layer: nobody paints yet.
    collect_once()
    imported = Imported()
    yield imported
    imported.handled.wait(_LAYER_TIMEOUT)


def _is_same_plane(before: PlaneSnapshot | None, now: PlaneSnapshot) -> bool:
    return (
        before is not None
        and not (before.is_cut or now.is_cut)
        and before.data is now.data
        and before.index == now.index
    )
