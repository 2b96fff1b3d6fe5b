"""The messages between a person's wishes and the engine, all of them frozen.

``Settings`` and ``ClassList`` go in, ``Progress`` comes out on the way and a
``Segmentation`` at the end. The widget, the command line and scripts use the
same ones, which is why they get the same labels.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from napari_naclip.engine.beyond import Beyond
from napari_naclip.engine.classes import ClassList, TextClass
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.templates import template_problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    'REFINEMENTS',
    'Architecture',
    'Beyond',
    'ClassList',
    'Partial',
    'Progress',
    'Refinement',
    'Region',
    'Resampling',
    'Segmentation',
    'Settings',
    'Stage',
    'Strategy',
    'TextClass',
    'TokenPrecision',
    'check_threshold',
    'margin_from_threshold',
    'threshold_from_margin',
]

Strategy = Literal['naclip', 'nonly', 'kk', 'csa', 'vanilla']
Architecture = Literal['reduced', 'vanilla']
Refinement = Literal['off', 'fast', 'fine']
Resampling = Literal['auto', 'published']
TokenPrecision = Literal['float16', 'float32']
Stage = Literal[
    'wait',
    'import',
    'download',
    'load',
    'read',
    'text',
    'windows',
    'refine',
    'labels',
]

#: Steps and dilations of PAMR: the published evaluation and the paper's
#: pictures (the defaults of its evaluation script and its visualization).
REFINEMENTS: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    'off': (0, ()),
    'fast': (10, (8, 16)),
    'fine': (50, (1, 2, 4, 8, 12, 24)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides the labels besides image, classes and model.

    The defaults are those of the published evaluation, except that PAMR is
    off and the threshold is 0 with a background row too.

    Attributes
    ----------
    strategy : {'naclip', 'nonly', 'kk', 'csa', 'vanilla'}
        Attention of the last block.
    architecture : {'reduced', 'vanilla'}
        Whether the last block drops its residual and MLP (the paper's
        choice) or keeps them. ``csa`` needs ``vanilla``.
    gaussian_std : float
        Standard deviation of the neighborhood window, in patches.
    detail : int or None
        Short side, in pixels, that the image is resized to; None: as it is.
    max_side : int
        Upper limit of the resized long side, in pixels; wins over `detail`.
    reduction : float or None
        Image pixels for each pixel that the model sees, above 0; below 1
        enlarges. Wins over `detail` and `max_side`. None: those two decide.
    window, stride : int or None
        Sliding window and its stride in pixels; a window of 0 takes the
        whole image in one pass. None: what suits the model.
    logit_scale : float
        Factor on the cosines before the softmax.
    threshold : float
        Probability, 0 to 1, that the best query must reach; below it a pixel
        is background. Needs a background row when it is above 0.
    refine : {'off', 'fast', 'fine'}
        PAMR: none, as in the published evaluation, as in its pictures.
    templates : tuple of str or None
        Prompt templates with one ``{}`` each; None: CLIP's 80.
    resampling : {'auto', 'published'}
        ``'auto'`` averages by area where the image shrinks by more than two;
        ``'published'`` is bilinear always, which aliases there.
    contrast_limits : (float, float) or None
        Values that become black and white; None: 0 to 255 for uint8, 0 to 1
        for bool, else the range of the image's finite values.
    gamma : float
        Exponent of the mapping, as in napari.
    token_precision : {'float16', 'float32'}
        How exactly the tokens are kept that labels come from. Half as large
        in float16; as published in float32.
    min_object, max_hole : int
        Pixels below which objects, and holes in one class, go to the class
        around them; 0: none do. See ``engine.cleanup``.
    beyond : Beyond
        What goes beyond the paper; nothing, unless it is asked for. A dict,
        as recipes hold it, becomes one.
    """

    strategy: Strategy = 'naclip'
    architecture: Architecture = 'reduced'
    gaussian_std: float = 5.0
    detail: int | None = 336
    max_side: int = 2048
    reduction: float | None = None
    window: int | None = None
    stride: int | None = None
    logit_scale: float = 40.0
    threshold: float = 0.0
    refine: Refinement = 'off'
    templates: tuple[str, ...] | None = None
    resampling: Resampling = 'auto'
    contrast_limits: tuple[float, float] | None = None
    gamma: float = 1.0
    token_precision: TokenPrecision = 'float16'
    min_object: int = 0
    max_hole: int = 0
    beyond: Beyond = field(default_factory=Beyond)

    def __post_init__(self) -> None:
        beyond: Any = self.beyond
        if isinstance(beyond, dict):
            object.__setattr__(self, 'beyond', Beyond(**beyond))
        for name, choices in (
            ('strategy', get_args(Strategy)),
            ('architecture', get_args(Architecture)),
            ('refine', get_args(Refinement)),
            ('resampling', get_args(Resampling)),
            ('token_precision', get_args(TokenPrecision)),
        ):
            value = getattr(self, name)
            if value not in choices:
                raise InputError(
                    f'{name} is {value!r}; choose one of {", ".join(choices)}.'
                )
        if self.strategy == 'csa' and self.architecture != 'vanilla':
            raise InputError(
                "The strategy 'csa' is defined for the architecture "
                "'vanilla' only. Choose that one, or another strategy."
            )
        for name in ('gaussian_std', 'logit_scale', 'gamma'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f'{name} is {value}; it must be above 0.')
        reduction = self.reduction
        if reduction is not None and not (
            math.isfinite(reduction) and reduction > 0
        ):
            raise InputError(
                f'The reduction is {reduction} image pixels for each pixel '
                'that the model sees; it must be above 0.'
            )
        if not 0 <= self.threshold <= 1:
            raise InputError(
                f'The threshold is {self.threshold}; it is a probability '
                'from 0 to 1.'
            )
        for name, least in (
            ('detail', 1),
            ('max_side', 1),
            ('window', 0),
            ('stride', 1),
            ('min_object', 0),
            ('max_hole', 0),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f'{name} is {value}; the least is {least}.')
        for problem in filter(
            None, map(template_problem, self.templates or ())
        ):
            raise InputError(problem)
        if self.templates is not None and not self.templates:
            raise InputError(
                "There is no prompt template. Use '{}' for the bare prompt."
            )
        limits = self.contrast_limits
        if limits is not None and not (
            all(math.isfinite(limit) for limit in limits)
            and limits[0] < limits[1]
        ):
            raise InputError(
                f'The contrast limits are {limits}; they need two finite '
                'numbers, the lower one first.'
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data for recipes and files."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    stage : str
        What is being done.
    done, total : int
        Steps of this stage (windows, prompts, bytes, ...); a total of 0 means
        that it is not known.
    found : int
        How many of those done took no work, because they were kept.
    refined : float
        Share of the refinement that is done: it goes on behind the windows.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    found: int = 0
    refined: float = 0.0


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels of an image.

    Attributes
    ----------
    top, left, bottom, right : int
        First row and column, and those after the last.
    """

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            raise InputError(
                f'The region from row {self.top} to {self.bottom} and column '
                f'{self.left} to {self.right} holds no pixel of the image. '
                'Choose another.'
            )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts the region out of an image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, other: Region) -> tuple[slice, slice]:
        """Return what cuts the region out of another that holds it."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )

    def meets(self, other: Region) -> bool:
        """Return whether any pixel belongs to both."""
        return max(self.top, other.top) < min(
            self.bottom, other.bottom
        ) and max(self.left, other.left) < min(self.right, other.right)

    def intersection(self, other: Region) -> Region:
        """Return the pixels of both, of which there must be some."""
        return Region(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )


@dataclass(frozen=True, slots=True)
class Partial:
    """Labels of a part of the image that are ready before the rest.

    Attributes
    ----------
    region : Region
        Where they belong, in pixels of the whole image.
    labels : (rows, columns) uint8 or uint16 array
    """

    region: Region
    labels: npt.NDArray[np.unsignedinteger] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Labels of an image, or a region of it, and what they mean.

    Attributes
    ----------
    labels : (H, W) uint8 or uint16 array
        Label value of each pixel of the image, or of the region. Like the
        confidence a zarr array on the disk, which gives numpy arrays for
        slices, where both are larger than the budget of outputs.
    confidence : (H, W) float16 array
        Probability, 0 to 1, of the best class among all classes, rounded to
        within 0.0003.
    classes : ClassList
        Names, prompts, colors of the label values.
    recipe : dict
        Plain data: versions, model, device, settings, classes, sizes.
    notices : tuple of str
        What the person should know about this result, a sentence each.
    region : Region or None
        The part of the image that labels and confidence are for; None: all
        of it.
    """

    labels: npt.NDArray[np.unsignedinteger] = field(repr=False)
    confidence: npt.NDArray[np.float16] = field(repr=False)
    classes: ClassList
    recipe: dict[str, Any] = field(repr=False)
    notices: tuple[str, ...] = ()
    region: Region | None = None


def threshold_from_margin(
    margin: float, queries: int, logit_scale: float
) -> float:
    """Return the probability that a lead of `margin` over equal rivals means.

    Parameters
    ----------
    margin : float
        Difference of cosines between the best query and its equal rivals.
    queries : int
        Number of queries, N; p = 1 / (1 + (N - 1) exp(-scale * margin)).
    logit_scale : float
        Factor on the cosines before the softmax.
    """
    return 1.0 / (1.0 + (queries - 1) * math.exp(-logit_scale * margin))


def margin_from_threshold(
    threshold: float, queries: int, logit_scale: float
) -> float:
    """Return the lead over equal rivals that a probability means.

    Parameters
    ----------
    threshold : float
        Probability of the best query, 0 to 1.
    queries, logit_scale
        As in ``threshold_from_margin``, of which this is the inverse.

    Returns
    -------
    float
        0 where every best query has that probability anyway; infinite for
        one that none reaches.
    """
    if queries < 2 or threshold * queries <= 1:
        return 0.0
    if threshold >= 1:
        return math.inf
    odds = threshold / (1.0 - threshold)
    return math.log((queries - 1) * odds) / logit_scale


def check_threshold(classes: ClassList, settings: Settings) -> None:
    """Raise ``InputError`` if a threshold has no row to send pixels to."""
    if settings.threshold > 0 and classes.background is None:
        raise InputError(
            'A threshold needs a background row, which takes the pixels '
            'below it. Add one, or set the threshold to 0.'
        )
