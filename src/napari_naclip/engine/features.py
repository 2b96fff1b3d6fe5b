"""Features: what the image tower saw, all that classes are compared with.

The unit tokens of each window are found by a key, which is a hash of all that
they depend on; labels always come from them as they are kept, so that a first
answer and every later one are equal to the last bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_naclip.engine.models import Model
    from napari_naclip.engine.seen import SeenPicture
    from napari_naclip.engine.types import Settings
    from napari_naclip.engine.windows import WindowPart, WindowPlan

#: Changes with all that changes tokens without changing a key otherwise.
_VERSION = 1


class TokenStore(Protocol):
    """Where tokens are kept between runs; may forget them at any time."""

    def get(self, key: bytes) -> npt.NDArray[np.floating] | None:
        """Return the (rows, columns, D) tokens of a window, if kept."""

    def put(self, key: bytes, tokens: npt.NDArray[np.floating]) -> None:
        """Keep the tokens of a window."""

    def begin(self) -> TokenStore:
        """Return the store for one pass over windows, in any order.

        The next pass begins with the same ones: where not all can be kept,
        most must be of use to it.
        """


class DictStore(dict[bytes, 'npt.NDArray[np.floating]']):
    """A store that forgets nothing, for as long as it is there itself."""

    def put(self, key: bytes, tokens: npt.NDArray[np.floating]) -> None:
        """Keep the tokens of a window."""
        self[key] = tokens

    def begin(self) -> DictStore:
        """Return itself: there is nothing that could leave."""
        return self


@dataclass(frozen=True, slots=True)
class Making:
    """How windows were run that were not run as was asked.

    Attributes
    ----------
    size : int
        Windows in a batch.
    device : str
        Kind of device.
    dtype : torch.dtype
        Of the tower's matrix products.
    """

    size: int
    device: str
    dtype: torch.dtype


class WindowTokens:
    """Unit tokens of the windows of a part of a lattice, row by row.

    Parameters
    ----------
    count : int
        Of windows.
    shape : (int, int, int)
        Rows, columns and size D of a window's tokens.
    dtype : torch.dtype
        float16 or float32: how exactly they are kept.
    store : TokenStore
    key_of : callable
        Returns the key of a window; a second argument tells its ``Making``.
    """

    def __init__(
        self,
        count: int,
        shape: tuple[int, int, int],
        dtype: torch.dtype,
        store: TokenStore,
        key_of: Callable[..., bytes],
    ) -> None:
        self.shape = shape
        self._count = count
        self._dtype = dtype
        self._store = store
        self._pass = store.begin()
        self._key_of = key_of
        self._keys: dict[tuple[int, Making | None], bytes] = {}
        #: Of the windows that were not run as was asked.
        self._makings: dict[int, Making] = {}
        #: What is in use; the store may forget it meanwhile.
        self._held: dict[int, torch.Tensor] = {}
        self._made: set[int] = set()
        self._found: set[int] = set()

    def __len__(self) -> int:
        return self._count

    @property
    def window_bytes(self) -> int:
        """Bytes of a window's tokens."""
        return math.prod(self.shape) * self._dtype.itemsize

    @property
    def found(self) -> int:
        """How many windows are known to be there that were not put."""
        return len(self._found)

    @property
    def done(self) -> int:
        """How many windows are known to be there."""
        return len(self._made) + len(self._found)

    def begin(self) -> None:
        """Begin to use windows from the first on, maybe once more."""
        self._pass = self._store.begin()

    def has(self, index: int, making: Making | None = None) -> bool:
        """Return whether a window is there; if so, it is held.

        Parameters
        ----------
        making : Making, optional
            How it would be run now, if not as was asked: it may be there
            from a run that lacked memory, too.
        """
        if index in self._held:
            return True
        if self._take(index, self._makings.get(index)):
            return True
        if making is None or index in self._makings:
            return False
        if not self._take(index, making):
            return False
        self._makings[index] = making
        return True

    def get(self, index: int) -> torch.Tensor:
        """Return a window's (rows, columns, D) tokens as they are kept."""
        if not self.has(index):
            raise LookupError(f'window {index} has not been looked at')
        return self._held[index]

    def put(
        self, index: int, tokens: torch.Tensor, making: Making | None = None
    ) -> None:
        """Keep the (rows, columns, D) tokens of a window.

        Parameters
        ----------
        making : Making, optional
            How it was run, if not as was asked: its last bits may be others,
            and its key is.
        """
        kept = tokens.to(self._dtype, copy=True)
        self._made.add(index)
        self._held[index] = kept
        if making is None:
            self._makings.pop(index, None)
        else:
            self._makings[index] = making
        self._pass.put(self._key(index, making), kept.numpy())

    def by_making(
        self, windows: Sequence[int]
    ) -> dict[Making | None, Sequence[int]]:
        """Return windows by how they were run; None: as asked, or not yet."""
        if not self._makings:
            return {None: windows}
        groups: dict[Making | None, list[int]] = {}
        for index in windows:
            groups.setdefault(self._makings.get(index), []).append(index)
        return dict(groups)

    def release(self, windows: range | None = None) -> None:
        """Leave windows (None: all) to the store."""
        if windows is None:
            self._held.clear()
        else:
            for index in windows:
                self._held.pop(index, None)

    def stack(self) -> torch.Tensor:
        """Return all windows' (N, rows, columns, D) float32 tokens."""
        return torch.stack([self.get(i).float() for i in range(self._count)])

    def _take(self, index: int, making: Making | None) -> bool:
        """Hold a window that the store has."""
        kept = self._pass.get(self._key(index, making))
        if kept is None:
            return False
        if not kept.flags.writeable:
            kept = kept.copy()
        self._held[index] = torch.from_numpy(kept)
        if index not in self._made:
            self._found.add(index)
        return True

    def _key(self, index: int, making: Making | None) -> bytes:
        known = self._keys.get((index, making))
        if known is None:
            known = self._key_of(index, *([making] if making else ()))
            self._keys[index, making] = known
        return known


@dataclass(frozen=True, slots=True)
class Features:
    """What the image tower saw of an image, and where.

    Attributes
    ----------
    tokens : WindowTokens
        Of each window of ``part``.
    plan : WindowPlan
        Where the windows of the whole image lie in the resized picture.
    seen : SeenPicture
        The resized picture.
    part : WindowPart
        The windows that are run.
    region : Region
        The pixels of the image that labels are wanted for.
    """

    tokens: WindowTokens = field(repr=False)
    plan: WindowPlan
    seen: SeenPicture = field(repr=False)
    part: WindowPart
    region: Region

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the whole image itself."""
        return self.seen.size

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens of a window."""
        return self.tokens.shape[:2]

    def windows(self, rows: range, part: WindowPart) -> range:
        """Return which windows of the tokens lie in rows of a part.

        Parameters
        ----------
        rows : range
            Of the lattice, in the part; only one where the part has not all
            columns of the features'.
        part : WindowPart
            Of the features' part.
        """
        columns = self.part.columns
        width = len(columns)
        first = (rows.start - self.part.rows.start) * width
        last = (rows.stop - 1 - self.part.rows.start) * width
        return range(
            first + part.columns.start - columns.start,
            last + part.columns.stop - columns.start,
        )

    def pictures(self, windows: Sequence[int]) -> list[torch.Tensor]:
        """Return windows as the image tower takes them, (3, H, W) float32."""
        plan, part = self.plan, self.part
        places = (divmod(index, len(part.columns)) for index in windows)
        return [
            self.seen.normalized(
                plan.tops[part.rows[row]],
                plan.lefts[part.columns[column]],
                plan.window_height,
                plan.window_width,
            )
            for row, column in places
        ]

    @property
    def is_whole(self) -> bool:
        """Whether labels are wanted for all of the image."""
        return self.region == Region(0, 0, *self.size)


class WindowKeys:
    """The keys under which the tokens of a part's windows are kept.

    A key is a hash of the window's pixels as the model sees them and of all
    else that its tokens depend on, to the last bit: weights, precision and
    kind of device, attention, and where in which batch the lattice puts the
    window. No name or place of a file or layer enters.

    Parameters
    ----------
    model : Model
    settings : Settings
    plan : WindowPlan
    corners : sequence of (int, int)
        Top row and left column of each window in the resized picture.
    batch_size : int
    slots_of : callable
        Returns the slot of each window in batches of a size.
    seen : SeenPicture
    """

    def __init__(
        self,
        model: Model,
        settings: Settings,
        plan: WindowPlan,
        corners: list[tuple[int, int]],
        batch_size: int,
        slots_of: Callable[[int], Sequence[int]],
        seen: SeenPicture,
    ) -> None:
        self._corners = corners
        self._slots_of = slots_of
        self._slots = {batch_size: slots_of(batch_size)}
        self._batch_size = batch_size
        self._seen = seen
        self._window = plan.window_height, plan.window_width
        self._start = hashlib.sha256(
            json.dumps(
                [
                    _VERSION,
                    torch.__version__,
                    model.fingerprint,
                    list(model.mean),
                    list(model.std),
                    model.device.type,
                    str(model.dtype),
                    settings.strategy,
                    settings.architecture,
                    settings.gaussian_std,
                    settings.token_precision,
                    self._window,
                    batch_size,
                    *settings.beyond.key_part(),
                ]
            ).encode()
        )

    def __call__(self, index: int, making: Making | None = None) -> bytes:
        """Return the key of a window, 32 bytes.

        Parameters
        ----------
        making : Making, optional
            How it was run, if not as was asked.
        """
        digest = self._start.copy()
        size = self._batch_size
        if making is not None:
            size = making.size
            # Beside what was asked: weights that were rounded for one device
            # are not those that another would have got.
            made = [size, making.device, str(making.dtype)]
            digest.update(json.dumps(made).encode())
        if size not in self._slots:
            self._slots[size] = self._slots_of(size)
        digest.update(self._slots[size][index].to_bytes(4, 'little'))
        crop = self._seen.crop(*self._corners[index], *self._window)
        digest.update(np.ascontiguousarray(crop).data)
        return digest.digest()
