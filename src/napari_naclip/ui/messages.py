"""Every text that the widget shows and that is no label of a control."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_naclip.engine.recipe import package_versions
from napari_naclip.ui.estimate import RunProgress

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    import numpy.typing as npt

    from napari_naclip.engine.store import Usage
    from napari_naclip.engine.types import ClassList, Progress, Stage
    from napari_naclip.ui.jobs import RunRequest

NO_CLASSES: Final = 'Type classes, then press Run.'
NO_IMAGE: Final = 'There is no image. Open one first, for example by dragging a file into the window.'
CANCELLING: Final = 'Cancelling…'
CANCELLED: Final = 'Cancelled. The labels are as they were.'
DROPPED_IMAGE: Final = (
    'The image was removed or replaced during the run; the result was dropped.'
)
DROPPED_LABELS: Final = (
    'The labels layer was removed during the run; the result was dropped.'
)
UNEXPECTED: Final = (
    'Something unexpected went wrong: {}. Run again; if it comes back, report '
    'it with the details below.'
)
PARTS_STAY: Final = (
    'What was decided until then is in the labels; Revert takes it back.'
)
LIVE_FAILED: Final = (
    'The labels cannot follow: {}. Press Run; if it comes back, report it.'
)
LIVE_HALF_DONE: Final = (
    'The labels are part old, part new. Change a setting, turn Live off and '
    'on, or press Run.'
)
LIVE_GONE: Final = (
    'The update was stopped: the image or its labels were removed or replaced.'
)
LIVE_STOPPED: Final = 'The labels are as they were.'
LIVE_MIXED: Final = (
    'The update was stopped: the labels are part old, part new. Turn Live on, '
    'or press Run.'
)
REVERTED: Final = (
    'The labels are as they were before the last change. What the panel '
    'shows counts again from its next change on.'
)
REVERTED_EARLY: Final = (
    'The last change was stopped before any label followed it. What the panel '
    'shows counts again from its next change on; Revert now takes back the '
    'change before.'
)
BUSY: Final = (
    'Another panel is writing to these labels. Wait until it has finished, or '
    'press Cancel there.'
)

#: Classes that are named in a status line.
_MOST_NAMED: Final = 8

_STAGES: Final[dict[Stage, str]] = {
    'wait': 'Waiting for another run',
    'import': 'Starting torch',
    'download': 'Downloading the model',
    'load': 'Loading the model',
    'read': 'Reading the image',
    'text': 'Reading the words',
    'windows': 'Looking at the image',
    'refine': 'Refining the edges',
    'labels': 'Deciding the labels',
}


#: What the steps of a stage are.
_STEPS: Final[dict[Stage, str]] = {
    'read': 'rows',
    'text': 'prompts',
    'windows': 'windows',
    'refine': 'steps',
}


def name_stage(progress: RunProgress) -> str:
    """Return what a run is doing, and on which of several planes."""
    text = _STAGES[progress.stage]
    if progress.jobs == 1:
        return text
    return (
        f'{progress.unit.capitalize()} {progress.job} of {progress.jobs}: '
        f'{text[0].lower()}{text[1:]}'
    )


def describe_progress(progress: RunProgress) -> str:
    """Return what a run is doing, its steps, rate and time where known."""
    text = name_stage(progress)
    if not progress.total:
        return f'{text}…'
    if progress.stage == 'download':
        text += f': {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB'
        if progress.rate is not None:
            text += f', {progress.rate / 1e6:.1f} MB/s'
    else:
        steps = _STEPS.get(progress.stage, 'steps')
        text += f': {progress.done} of {progress.total} {steps}'
        if progress.found:
            text += f' ({progress.found} kept)'
    if progress.run_left is not None:
        text += f', {describe_time(progress.run_left)} left'
    elif progress.stage_left is not None:
        text += f', {describe_time(progress.stage_left)} for this step'
    return text


def describe_update(progress: Progress) -> str:
    """Return how far labels are that follow a change."""
    if progress.stage == 'labels':
        return f'Updating the labels: {progress.done / progress.total:.0%}'
    text = describe_progress(
        RunProgress(progress.stage, progress.done, progress.total)
    )
    return f'Updating the labels. {text}'


def describe_time(seconds: float) -> str:
    """Return a duration as a person would say it."""
    if seconds < 1.5:
        return 'about a second'
    if seconds < 90:
        return f'about {seconds:.0f} s'
    if seconds < 5400:
        return f'about {seconds / 60:.0f} min'
    return f'about {seconds / 3600:.1f} h'


def describe_preview(
    size: tuple[int, int], jobs: int, windows: int, seconds: float | None
) -> str:
    """Return what a run would be.

    Parameters
    ----------
    size : (int, int)
        Rows and columns at which the model sees a plane.
    jobs : int
        Planes or regions.
    windows : int
        Of all of them.
    seconds : float or None
        None where nothing like it ran yet.
    """
    text = f'Seen at {size[0]} x {size[1]} px'
    if jobs > 1:
        text += f', {jobs} times'
    text += ', 1 window' if windows == 1 else f', {windows} windows'
    return text if seconds is None else f'{text}, {describe_time(seconds)}'


def describe_ready(classes: int) -> str:
    """Return what to do before the first run, with so many classes on."""
    if not classes:
        return NO_CLASSES
    text = '1 class' if classes == 1 else f'{classes} classes'
    return f'{text} to look for. Press Run.'


def describe_cancelled(finished: int, jobs: int) -> str:
    """Return what is left of a run that was stopped after some jobs."""
    if not finished:
        return CANCELLED
    return f'Cancelled. {finished} of {jobs} are finished and stay.'


def describe_blank(count: int, jobs: int, unit: str) -> str:
    """Return how many planes or regions had nothing to tell apart."""
    return (
        f'{count} of {jobs} {unit}s left out, because all their pixels have '
        'one value; their labels are as they were.'
    )


def describe_left_out(names: Collection[str]) -> str:
    """Return which visible images are not part of the composite."""
    shown = ', '.join(repr(name) for name in names)
    return f'Not in the composite, because they lie elsewhere: {shown}.'


def describe_details(error: BaseException, request: RunRequest) -> str:
    """Return what helps somebody else to understand an error.

    The home folder is not named in it.
    """
    model, snapshot = request.model, request.snapshot
    facts = {
        **package_versions(),
        'model': model.name,
        'weights from a file': 'no' if model.weights is None else 'yes',
        'activation': model.activation,
        'device': model.device,
        'precision': model.precision,
        'planes or regions': len(request.snapshots),
        'image': f'{snapshot.shape}, {getattr(snapshot.data, "dtype", "?")}',
        'plane': snapshot.size,
        'classes': len(request.classes.rows),
        'settings': request.settings.to_dict(),
    }
    lines = [f'{name}: {value}' for name, value in facts.items()]
    trace = ''.join(traceback.format_exception(error))
    return shorten_home('\n'.join([*lines, '', trace]))


def shorten_home(text: str) -> str:
    """Return a text with "~" for the home folder: shorter, and private."""
    return text.replace(str(Path.home()), '~')


def describe_size(size: int) -> str:
    """Return a number of bytes for people."""
    return f'{size / 1e9:.1f} GB' if size >= 1e9 else f'{size / 1e6:.0f} MB'


def describe_parts(present: int, size: int) -> str:
    """Return how much of a download is here."""
    return f'{present / 1e6:.0f} of {size / 1e6:.0f} MB'


def _list_some(items: list[str]) -> str:
    """Return items as a list that stays readable with a hundred classes."""
    shown, left = items[:_MOST_NAMED], len(items) - _MOST_NAMED
    text = ', '.join(shown)
    return text if left <= 0 else f'{text} and {left} more'


def describe_result(
    classes: ClassList,
    counts: npt.NDArray[np.integer],
    kept: int,
    locked: Collection[int] = frozenset(),
) -> str:
    """Return what came out of a run.

    Parameters
    ----------
    classes : ClassList
    counts : (n,) int array
        Pixels of each label value; those beyond its end have none.
    kept : int
        Edited pixels that the run would have changed and did not.
    locked : collection of int
        Label values of which the run wrote none and changed none.
    """
    rows = [
        (counts[row.value] if row.value < len(counts) else 0, row.name)
        for row in classes.rows
        if row.value not in locked
    ]
    left = [row.name for row in classes.rows if row.value in locked]
    total = max(1, counts.sum())
    found = [
        f'{name} {_describe_share(count / total)}'
        for count, name in rows
        if count
    ]
    absent = [name for count, name in rows if not count]
    text = f'Done: {_list_some(found)}.' if found else 'Done.'
    if absent:
        text += f' No pixel: {_list_some(absent)}.'
    if left:
        text += f' Locked, so left as they were: {_list_some(left)}.'
    if kept:
        text += f' {kept:,} edited pixels were kept.'
    return text


def _describe_share(share: float) -> str:
    """Return a share that is not 0 so that it doesn't look like 0."""
    return '<1%' if share < 0.005 else f'{share:.0%}'


def describe_kept(usage: Usage, problem: str = '') -> str:
    """Return how much is kept of images, and what went wrong with that."""
    kept = (
        f'Kept: {describe_size(usage.memory_size)} in memory, '
        f'{describe_size(usage.disk_size)} on disk'
    )
    problem = shorten_home(problem or usage.problem)
    return f'{kept}\n{problem}' if problem else kept
