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


class DictStore(dict[bytes, 'npt.NDArray[np.floating]']):
    """A store that forgets nothing, for as long as it is there itself."""

    def put(self, key: bytes, tokens: npt.NDArray[np.floating]) -> None:
        """Keep the tokens of a window."""
        self[key] = tokens


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
        Returns the key of a window.
    """

    def __init__(
        self,
        count: int,
        shape: tuple[int, int, int],
        dtype: torch.dtype,
        store: TokenStore,
        key_of: Callable[[int], bytes],
    ) -> None:
        self.shape = shape
        self._count = count
        self._dtype = dtype
        self._store = store
        self._key_of = key_of
        self._keys: dict[int, bytes] = {}
        #: What is in use; the store may forget it meanwhile.
        self._held: dict[int, torch.Tensor] = {}
        #: What no store is to have.
        self._own: dict[int, torch.Tensor] = {}
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

    def has(self, index: int) -> bool:
        """Return whether a window is there; if so, it is held."""
        if index in self._held or index in self._own:
            return True
        kept = self._store.get(self._key(index))
        if kept is None:
            return False
        if not kept.flags.writeable:
            kept = kept.copy()
        self._held[index] = torch.from_numpy(kept)
        if index not in self._made:
            self._found.add(index)
        return True

    def get(self, index: int) -> torch.Tensor:
        """Return a window's (rows, columns, D) tokens as they are kept."""
        if not self.has(index):
            raise LookupError(f'window {index} has not been looked at')
        return self._own[index] if index in self._own else self._held[index]

    def put(
        self, index: int, tokens: torch.Tensor, *, is_shared: bool = True
    ) -> None:
        """Keep the (rows, columns, D) tokens of a window.

        Parameters
        ----------
        is_shared : bool
            Whether the store may have them.
        """
        kept = tokens.to(self._dtype, copy=True)
        self._made.add(index)
        if is_shared:
            self._held[index] = kept
            self._store.put(self._key(index), kept.numpy())
        else:
            self._own[index] = kept

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

    def _key(self, index: int) -> bytes:
        if index not in self._keys:
            self._keys[index] = self._key_of(index)
        return self._keys[index]


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
    slots : sequence of int
        Of each window in its batch.
    batch_size : int
    seen : SeenPicture
    """

    def __init__(
        self,
        model: Model,
        settings: Settings,
        plan: WindowPlan,
        corners: list[tuple[int, int]],
        slots: list[int],
        batch_size: int,
        seen: SeenPicture,
    ) -> None:
        self._corners = corners
        self._slots = slots
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

    def __call__(self, index: int) -> bytes:
        """Return the key of a window, 32 bytes."""
        digest = self._start.copy()
        digest.update(self._slots[index].to_bytes(4, 'little'))
        crop = self._seen.crop(*self._corners[index], *self._window)
        digest.update(np.ascontiguousarray(crop).data)
        return digest.digest()
