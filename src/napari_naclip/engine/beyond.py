"""What goes beyond the paper: of later work, and off unless it is asked for.

All of it changes what the image tower gives of a window and knows no class,
so that features stay kept as those of the strategies do. ``docs/strategies.md``
shows what each costs and does on the demo scenes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from napari_naclip.engine.errors import InputError

#: Smallest and largest side of the second look, relative to the first.
SCALES = (0.5, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What is added to the method.

    Attributes
    ----------
    cross_share : float
        Share, 0 to 1, of the middle blocks' own query-key attention in that
        of the last block, which keeps the rest: the residual
        cross-correlation of ResCLIP (Yang et al., CVPR 2025, arXiv
        2411.15851), without the part that depends on classes. 0: none.
    cls_share : float
        Share, -1 to 1, of the window's own image embedding (the class token
        as CLIP computes it, of unit length) that is added to each of its
        unit tokens. Below 0 it is subtracted, as SegEarth-OV does for aerial
        pictures (Li et al., CVPR 2025, arXiv 2410.01768: -0.3). 0: none.
    mirror : bool
        Whether each window is seen mirrored left to right too.
    second_scale : float or None
        Each window is seen at this size too, 0.5 to 2 relative to the first;
        None: at one size.
    """

    cross_share: float = 0.0
    cls_share: float = 0.0
    mirror: bool = False
    second_scale: float | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ('cross_share', 0.0, 1.0),
            ('cls_share', -1.0, 1.0),
            ('second_scale', *SCALES),
        ):
            value = getattr(self, name)
            if value is None and name == 'second_scale':
                continue
            if not least <= value <= most:
                raise InputError(
                    f'{name} is {value}; it must be from {least:g} to '
                    f'{most:g}.'
                )
        if self.second_scale == 1:
            raise InputError(
                'A second_scale of 1 is the first one again. Choose another '
                'from 0.5 to 2, or none.'
            )

    @property
    def is_off(self) -> bool:
        """Whether there is nothing but the method."""
        return self == Beyond()

    @property
    def cost(self) -> float:
        """How much the tower has to look at, relative to the plain window."""
        area = 1.0 if self.second_scale is None else 1 + self.second_scale**2
        return area * (2 if self.mirror else 1)

    def key_part(self) -> list[dict[str, Any]]:
        """Return what this adds to the key of kept tokens; nothing when off."""
        return [] if self.is_off else [dataclasses.asdict(self)]


def middle_blocks(depth: int) -> range:
    """Return the blocks, from 0, whose attention is mixed in.

    Blocks 6 to 9 of 12, counted from 1, as the paper has them; of other
    depths those at the same place.

    Parameters
    ----------
    depth : int
        Number of blocks.

    Returns
    -------
    range
        Empty where there is only the last block.
    """
    # Of three blocks or fewer, at most the one before the last.
    first = depth * 5 // 12 if depth > 3 else (depth - 1) // 2
    return range(first, min(depth * 3 // 4, depth - 1))
