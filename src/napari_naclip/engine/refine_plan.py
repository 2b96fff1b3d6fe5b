"""How many rows a refinement keeps, and the memory that it takes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_naclip.engine.errors import OutOfMemoryError
from napari_naclip.engine.shifts import rows_layout
from napari_naclip.engine.store.budgets import free_memory

if TYPE_CHECKING:
    from napari_naclip.engine.shifts import Rows

#: Most maps that a small picture's are refined in at once.
_GROUP = 64
#: Fewest rows in a block: a step is behind the one before by whole blocks.
_LEAST_ROWS = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How a number of maps is refined.

    Attributes
    ----------
    maps : int
    size : (int, int)
        Rows and columns.
    steps : int
    reach : int
        The largest dilation.
    neighbors : int
        Of a pixel.
    """

    maps: int
    size: tuple[int, int]
    steps: int
    reach: int
    neighbors: int

    @property
    def layout(self) -> type[Rows]:
        """The layout of the maps."""
        return rows_layout(self.maps)

    @property
    def block(self) -> int:
        """Rows that a step does at once."""
        height, width = self.size
        rows = self.layout.pixels_at_once // width
        return max(_LEAST_ROWS, min(height, rows))

    @property
    def lag(self) -> int:
        """Rows that a step is behind the one before."""
        return -(-self.reach // self.block) * self.block

    @property
    def stage_rows(self) -> int:
        """Rows between two steps, with room for some blocks.

        Rows move up only when the room is used up.
        """
        return 2 * self.reach + self.lag + 3 * self.block

    @property
    def weights_steps(self) -> float:
        """Steps that take about as long as the weights, as was measured."""
        return 55 / (self.group + 4)

    @property
    def group(self) -> int:
        """Maps that a small picture's are refined in at once."""
        return -(-self.maps // -(-self.maps // _GROUP))

    @property
    def whole_bytes(self) -> int:
        """Memory for step after step."""
        height, width = self.size
        rows = 2 * (height + 2 * self.reach) * self.group
        return 4 * width * (rows + self.neighbors * height)

    @property
    def stream_bytes(self) -> int:
        """Memory for row after row."""
        height, width = self.size
        rows = self.steps * self.stage_rows * self.maps
        kept = min(height, self.steps * self.lag + self.block)
        return 4 * width * (rows + self.neighbors * kept)

    @property
    def bytes(self) -> int:
        """Memory in the way that takes less, with the maps themselves."""
        if self.whole_bytes > self.stream_bytes:
            return self.stream_bytes
        height, width = self.size
        return self.whole_bytes + 4 * self.maps * height * width

    @property
    def fits(self) -> bool:
        """Whether so much memory is free."""
        return self.bytes <= free_memory()

    def most_maps(self) -> int:
        """Return how many of the maps the free memory can refine at once.

        All of them, or fewer, or 1 where not even one can be.
        """
        free = free_memory()
        if self.bytes <= free:
            return self.maps
        for count in range(self.maps - 1, 0, -1):
            # Something is left to others.
            if dataclasses.replace(self, maps=count).bytes <= free * 3 // 4:
                return count
        return 1

    def check_memory(self) -> None:
        """Raise ``OutOfMemoryError`` if it takes more than is free."""
        needed, free = self.bytes, free_memory()
        if needed > free:
            raise OutOfMemoryError(
                f'Refining {self.maps} words or synonyms at once, '
                f'{self.size[1]} pixels wide, takes {needed / 1e9:.1f} GB of '
                f'memory; {free / 1e9:.1f} GB are free. Choose a faster '
                'refinement or none, a narrower region, or fewer words; or '
                'close other programs.'
            )
