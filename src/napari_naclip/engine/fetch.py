"""Windows that come when a row of tiles needs them, and go after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.tiles import TokenScores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from napari_naclip.engine.features import Features
    from napari_naclip.engine.tiles import Projection
    from napari_naclip.engine.types import Progress, Region

    #: Makes windows be there, and of others as many as come along for
    #: nothing; yields how far it is. See ``Encoder.fill``.
    Fill = Callable[[Sequence[int], Sequence[int] | None], Iterator[Progress]]

#: Bytes of tokens that stay from what is decided first until the rest comes
#: there, at most: else a store that forgets would have them made twice.
FIRST_BYTES = 64 * 2**20


class TileRows:
    """Maps of rows of tiles, whose windows come when they are needed.

    Parameters
    ----------
    features : Features
    projection : Projection
        Of these features, or of a part of them.
    queries : (Q, D) float32 Tensor
        Unit query embeddings.
    """

    def __init__(
        self,
        features: Features,
        projection: Projection,
        queries: torch.Tensor,
    ) -> None:
        self._features = features
        self._projection = projection
        self._scores = TokenScores(features, queries, projection.part)

    def fetch(
        self, index: int, fill: Fill, *, holds: bool = False
    ) -> Iterator[Progress]:
        """Make what a row of tiles needs be there; let go of what is above.

        Parameters
        ----------
        index : int
            Of the row of tiles.
        fill : callable
            Takes windows of the features.
        holds : bool
            Whether tokens stay, because rows above come next.
        """
        features, part = self._features, self._projection.part
        windows = self._needed(index)
        if part.columns == features.part.columns:
            yield from fill(features.windows(windows, part), None)
        else:
            # What is beside the part is not to be run, nor even to be read
            # where the picture was told so.
            below = range(windows.stop, part.rows.stop)
            yield from fill(
                *(self._beneath(each) for each in (windows, below))
            )
        self._scores.release(windows.start)
        self._projection.rows.release(index)
        if not holds:
            above = features.windows(windows, features.part).start
            features.tokens.release(range(above))

    def maps(self, area: Region) -> torch.Tensor:
        """Return the (Q, rows, columns) float32 maps of an area.

        Of the row of tiles that was fetched last.
        """
        return self._projection.maps(self._scores, area)

    def _beneath(self, rows: range) -> list[int]:
        """Return the windows of the part in some rows, row by row."""
        return [
            window
            for row in rows
            for window in self._features.windows(
                range(row, row + 1), self._projection.part
            )
        ]

    def may_hold(self, rows: range) -> bool:
        """Return whether the tokens of rows of tiles are few."""
        count = self._needed(rows[-1]).stop - self._needed(rows[0]).start
        windows = count * len(self._projection.part.columns)
        return windows * self._features.tokens.window_bytes <= FIRST_BYTES

    def _needed(self, index: int) -> range:
        return self._projection.windows(self._projection.rows.tile(index))
