"""The classes of a list that compete in a region, area by area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine import outputs, parts
from napari_naclip.engine.decide import Tally, class_queries
from napari_naclip.engine.stored_tally import StoredTally
from napari_naclip.engine.tiles import TILE
from napari_naclip.engine.types import Partial, Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    import torch

    from napari_naclip.engine.types import ClassList, Settings

    #: Returns the (Q, rows, columns) float32 maps of an area.
    MapsOf = Callable[[Region], torch.Tensor]

#: Bytes of maps and of their tally that are made at once, but for one tile.
PIECE_BYTES = 16 * 2**20
#: Bytes of tallies that are kept for the next answer, at most.
TALLY_BYTES = 512 * 2**20


class Decision:
    """Labels and confidence of a region, as far as they are decided.

    Parameters
    ----------
    region : Region
    classes : ClassList
    settings : Settings
    before : Tally, optional
        Of the region, with the first classes of the list and the same
        settings; the others are added to it, and it is used up.
    known : int
        How many classes it holds.

    Attributes
    ----------
    tally : Tally or None
        How the region's pixels were decided; None where it is not kept.
    new : range
        The queries of the classes that are not known.
    """

    def __init__(
        self,
        region: Region,
        classes: ClassList,
        settings: Settings,
        before: Tally | None = None,
        known: int = 0,
    ) -> None:
        self._region = region
        self._classes = classes
        self._settings = settings
        self._owners = class_queries(classes)
        self._has_synonyms = any(len(each) > 1 for each in self._owners)
        self._known = known
        self.new = range(self._owners[known].start, self._owners[-1].stop)
        size = region.size
        self._labels = outputs.buffered(
            outputs.zeros(size, classes.label_dtype)
        )
        self._confidence = outputs.buffered(outputs.zeros(size, np.float16))
        self.tally = before
        if before is not None:
            before.allow_synonyms(needed=self._has_synonyms)
        elif size[0] * size[1] * Tally.BYTES <= TALLY_BYTES:
            self.tally = Tally.empty(*size, has_synonyms=self._has_synonyms)
        #: Where groups of classes are added and no tally is kept.
        self._between: tuple[Region, StoredTally] | None = None

    def finish(
        self,
    ) -> tuple[npt.NDArray[np.unsignedinteger], npt.NDArray[np.float16]]:
        """Return labels and confidence of the region, (rows, columns) each.

        Once they are decided; see ``outputs.zeros`` for where they are.
        """
        return (
            outputs.finished(self._labels),
            outputs.finished(self._confidence),
        )

    def labels_of(self, area: Region) -> npt.NDArray[np.unsignedinteger]:
        """Return a copy of the labels of an area of the region."""
        labels: npt.NDArray[np.unsignedinteger] = self._labels[
            area.within(self._region)
        ].copy()
        return labels

    def groups(self, most: int) -> list[range]:
        """Return the classes that are not known, few at once.

        Parameters
        ----------
        most : int
            Queries of a group, at most, where a class has no more.
        """
        groups = [range(self._known, self._known)]
        for place in range(self._known, len(self._owners)):
            group = groups[-1]
            wider = range(group.start, place + 1)
            if group and len(self.queries_of(wider)) > most:
                groups.append(range(place, place + 1))
            else:
                groups[-1] = wider
        return groups

    def queries_of(self, group: range) -> range:
        """Return the queries of a group of classes."""
        return range(
            self._owners[group[0]].start, self._owners[group[-1]].stop
        )

    def expect_groups(self, area: Region) -> None:
        """Say that classes come in groups in an area, one after the other."""
        if self.tally is None:
            tally = StoredTally(area.size, has_synonyms=self._has_synonyms)
            self._between = area, tally

    def add(
        self, maps: torch.Tensor, place: Region, group: range | None = None
    ) -> None:
        """Let classes compete in an area; label it once there are all.

        Parameters
        ----------
        maps : (Q, rows, columns) float32 Tensor
            Of their queries.
        place : Region
            Where they lie, in pixels of the image; in the region.
        group : range, optional
            The classes, all of those before are there; None: all that are
            not known.
        """
        group = (
            range(self._known, len(self._owners)) if group is None else group
        )
        tally = self._empty(place)
        if group.start:
            tally.assign(self._load(place))
        self._count(maps, tally, group)
        self._save(place, tally, is_last=group.stop == len(self._owners))

    def _empty(self, area: Region) -> Tally:
        return Tally.empty(*area.size, has_synonyms=self._has_synonyms)

    def _load(self, area: Region) -> Tally:
        if self._between is not None:
            origin, stored = self._between
            return stored.load(*area.within(origin))
        if self.tally is None:
            raise TypeError('nothing was kept to add classes to')
        return self.tally.part(*area.within(self._region))

    def _save(self, area: Region, tally: Tally, *, is_last: bool) -> None:
        outer = area.within(self._region)
        if self.tally is not None:
            self.tally.part(*outer).assign(tally)
        if is_last:
            self._labels[outer] = tally.labels(
                self._classes, self._settings.threshold
            )
            self._confidence[outer] = tally.confidence()
        elif self._between is not None:
            origin, stored = self._between
            stored.save(*area.within(origin), tally)

    def _count(self, maps: torch.Tensor, tally: Tally, group: range) -> None:
        first = self._owners[group.start].start
        for place in group:
            each = self._owners[place]
            tally.add(
                maps[each.start - first : each.stop - first],
                place,
                self._settings.logit_scale,
            )

    def decide(self, maps_of: MapsOf, area: Region) -> Partial:
        """Let all classes that are not known compete in an area; label it.

        Parameters
        ----------
        maps_of : callable
            Returns the maps of the queries of these classes.
        area : Region
            Of the region; within a row of tiles.
        """
        for part in self._pieces(area):
            self.add(maps_of(part), part)
        return Partial(area, self.labels_of(area))

    def preview(self, maps_of: MapsOf, area: Region) -> Partial:
        """Return what an area would be by other maps; see ``decide``."""
        labels = np.empty(area.size, self._classes.label_dtype)
        group = range(self._known, len(self._owners))
        for part in self._pieces(area):
            tally = self._empty(part)
            self._count(maps_of(part), tally, group)
            labels[part.within(area)] = tally.labels(
                self._classes, self._settings.threshold
            )
        return Partial(area, labels)

    def _pieces(self, area: Region) -> Iterator[Region]:
        """Yield what of a row of tiles is counted at once.

        Many tiles, where few classes are counted: a step of one tile is too
        small for several threads, and waits for them all the same.
        """
        pixel_bytes = Tally.BYTES + 4 * len(self.new)
        tiles = PIECE_BYTES // (TILE**2 * pixel_bytes)
        return parts.across(area, max(1, tiles) * TILE)

    def decide_again(self, classes: ClassList, settings: Settings) -> None:
        """Label what is tallied with other values or another threshold.

        Parameters
        ----------
        classes : ClassList
            With the same prompts in the same order.
        settings : Settings
        """
        if self.tally is None:
            raise TypeError('nothing was kept to decide again')
        self._classes, self._settings = classes, settings
        self._labels = self.tally.labels(classes, settings.threshold)
        self._confidence = self.tally.confidence()
