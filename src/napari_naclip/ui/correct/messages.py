"""Every text of the correction that is no label of a control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_naclip.ui.correct.failures import describe_failure

if TYPE_CHECKING:
    from napari_naclip.correct.guidance import Guidance

NO_RESULT: Final = (
    'Run first: there are no labels of the displayed plane that this panel '
    'made.'
)
LOOKING: Final = 'Looking for regions…'
FAILED: Final = 'There are no regions: {}. Press Next to try again.'
NO_MEMORY: Final = (
    'There is not enough memory to look for regions. Close other layers, or '
    'label a smaller region.'
)
ALL_SEEN: Final = 'Every region has been looked at, edited or locked.'
FOLLOWING: Final = 'The labels are on their way…'
NEEDS_LIVE: Final = (
    'The labels are part old, part new. Turn Live on, or press Run.'
)
RUNNING: Final = 'A run is under way. Press Next when it has ended.'
BACK_ELSEWHERE: Final = (
    'The last answer was taken back; it was about another plane.'
)
LOCKED_CHOICE: Final = (
    'This class is locked: no region gets it. Unlock it in the class list '
    'first.'
)
BACK_LOCKED: Final = (
    'The last answer is about a class that is locked by now. Unlock it in '
    'the class list, then press Back.'
)
NOTHING_WRITTEN: Final = (
    'The labels could not be written: {}. They are as they were.'
)
NOT_TAKEN_BACK: Final = (
    'The last answer could not be taken back: {}. Press Back to try again.'
)
NOT_WRITTEN: Final = (
    'The labels could not be written: {}. What was written so far is in the '
    'undo history of the layer.'
)


def describe_failed(error: Exception) -> str:
    """Return why there are no regions."""
    return describe_failure(error, no_memory=NO_MEMORY, unexpected=FAILED)


def describe_share(share: float) -> str:
    """Return a share in percent, and what little there is as such."""
    return '< 1 %' if 0 < share < 0.01 else f'{100 * share:.0f} %'


def describe_choice(number: int) -> str:
    """Return what the button of a class does."""
    return (
        f'The region gets this class. {number} while the focus is in this '
        'part of the panel.'
    )


def describe_region(name: str, share: float, pixels: int) -> str:
    """Return what a region is said to be, and how surely."""
    return f'{name}? {describe_share(share)} sure, {pixels:,} px.'


def describe_progress(guidances: list[Guidance]) -> str:
    """Return how much has been looked at, and what may be left."""
    sizes = [each.regions.ids.size for each in guidances]
    steps = sum(len(each.steps) for each in guidances)
    if not sizes:
        return ''
    total = sum(sizes)
    done = sum(
        each.share_done * size
        for each, size in zip(guidances, sizes, strict=True)
    )
    wrong = sum(
        each.share_wrong * size
        for each, size in zip(guidances, sizes, strict=True)
    )
    noun = 'region' if steps == 1 else 'regions'
    return (
        f'{steps} {noun} answered, {describe_share(done / total)} of the '
        f'pixels looked at, edited or locked; perhaps {100 * wrong / total:.1f} % are still '
        'wrong.'
    )
