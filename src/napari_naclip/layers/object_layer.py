"""A layer of objects into which later ones go beside the earlier ones."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.layers.objects import (
    all_planes,
    make_columns,
    show_objects,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_naclip.correct.objects import ObjectTable

    Plane = tuple[int | slice, ...]
    Key = tuple[int | None, ...]
    Ids = npt.NDArray[np.int32]

#: Pixels that are looked at at a time, a millisecond or so.
_PIECE: Final = 250_000


class ObjectLayer:
    """The objects of a result, and what was written of each plane.

    Planes that are split anew are replaced only if they still are as they
    were written; all others stay as they are, painted on or not.

    Parameters
    ----------
    labels : napari.layers.Labels
        From which the objects are made.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        None before anything was shown.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.layer: Labels | None = None
        self._data: Any = None
        self._tables: dict[Key, tuple[Plane, ObjectTable]] = {}
        self._written: dict[Key, list[bytes]] = {}

    @property
    def tables(self) -> list[tuple[Plane, ObjectTable]]:
        """The objects of each plane that has some, in the planes' order."""
        return [self._tables[key] for key in sorted(self._tables, key=_order)]

    def columns(self, names: Mapping[int, str]) -> dict[str, list[Any]]:
        """Return the table of all objects; see ``objects.make_columns``."""
        return make_columns(self.labels, self.tables, names)

    def show(
        self,
        viewer: ViewerModel,
        ids: Ids,
        tables: Sequence[tuple[Plane, ObjectTable]],
        names: Mapping[int, str],
    ) -> Generator[None, None, None]:
        """Show objects in a new layer.

        Parameters
        ----------
        viewer : napari.components.ViewerModel
        ids : int32 array
            In the shape of the labels; becomes the layer's data.
        tables : sequence of tuple and ObjectTable
            The objects of each plane, at least one object.
        names : mapping of int to str
            Classes by label value.

        Yields
        ------
        None
            After each piece.
        """
        for plane, table in tables:
            found = []
            for piece in _pieces(ids[plane]):
                found.append(_digest(piece))
                yield
            self._take(plane, table, found)
        self.layer = yield from show_objects(
            viewer, self.labels, ids, self.columns(names)
        )
        self._data = self.layer.data

    def add(
        self,
        viewer: ViewerModel,
        ids: Ids,
        tables: Sequence[tuple[Plane, ObjectTable]],
        names: Mapping[int, str],
    ) -> Generator[None, None, bool]:
        """Write objects beside those of other planes, numbered on.

        Parameters
        ----------
        viewer, ids, tables, names
            See ``show``. The numbers begin at 1.

        Yields
        ------
        None
            After each piece.

        Returns
        -------
        bool
            False, with nothing written, where the layer is gone, or one of
            the planes is no longer what was written.
        """
        most = yield from self._find_most(viewer, [p for p, _ in tables])
        layer = self.layer
        if most is None or layer is None:
            return False
        count = sum(len(table) for _, table in tables)
        if most > np.iinfo(np.int32).max - count:
            return False
        for plane, table in tables:
            found = []
            before = self._written.get(_key(plane))
            target = self._data[plane]
            for n, (own, piece) in enumerate(
                zip(_pieces(target), _pieces(ids[plane]), strict=True)
            ):
                if _is_as_written(own, before, n):
                    own[...] = np.where(piece > 0, piece + most, 0)
                    found.append(_digest(own))
                else:
                    # What was painted in this very moment stays for good.
                    found.append(b'')
                yield
            moved = dataclasses.replace(table, ids=table.ids + most)
            self._take(plane, moved, found)
        layer.features = self.columns(names)
        layer.refresh()
        return True

    def _find_most(
        self, viewer: ViewerModel, planes: Sequence[Plane]
    ) -> Generator[None, None, int | None]:
        """Return the largest number on other planes.

        None where these planes cannot be replaced.
        """
        replaced = {_key(plane) for plane in planes}
        # Planes along other axes cross those that were written.
        if {_axes(key) for key in replaced} != {
            _axes(key) for key in self._written
        }:
            return None
        most = 0
        for plane in all_planes(self.labels, planes[0]):
            if not self._is_there(viewer):
                return None
            key = _key(plane)
            before = self._written.get(key)
            for n, piece in enumerate(_pieces(self._data[plane])):
                if key not in replaced:
                    most = max(most, int(piece.max(initial=0)))
                elif not _is_as_written(piece, before, n):
                    return None
                yield
        return most if self._is_there(viewer) else None

    def _is_there(self, viewer: ViewerModel) -> bool:
        layer = self.layer
        return (
            layer is not None
            and layer in viewer.layers
            and layer.data is self._data
            and self._data.shape == tuple(self.labels.data.shape)
        )

    def _take(
        self, plane: Plane, table: ObjectTable, written: list[bytes]
    ) -> None:
        key = _key(plane)
        self._written[key] = written
        self._tables.pop(key, None)
        if len(table):
            self._tables[key] = (plane, table)


def _key(plane: Plane) -> Key:
    return tuple(None if isinstance(i, slice) else i for i in plane)


def _axes(key: Key) -> tuple[bool, ...]:
    return tuple(i is None for i in key)


def _order(key: Key) -> tuple[int, ...]:
    return tuple(-1 if i is None else i for i in key)


def _pieces(plane: Ids) -> Iterator[Ids]:
    """Return the rows of a plane some at a time, as views."""
    step = max(1, _PIECE // max(1, plane.shape[1]))
    for top in range(0, len(plane), step):
        yield plane[top : top + step]


def _digest(piece: Ids) -> bytes:
    """Return what tells a piece from others, without keeping it."""
    return hashlib.blake2b(
        np.ascontiguousarray(piece).data, digest_size=16
    ).digest()


def _is_as_written(piece: Ids, before: list[bytes] | None, n: int) -> bool:
    if before is None:
        return not piece.any()
    return _digest(piece) == before[n]
