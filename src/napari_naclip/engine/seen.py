"""The picture that the model looks at: mapped, resized, in 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_naclip.engine import pixels
from napari_naclip.engine.resample import bilinear_taps
from napari_naclip.engine.stream import ResizedImage

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    from napari_naclip.engine.types import Region


class SeenPicture:
    """An image at the size at which the windows slide.

    Parameters
    ----------
    picture : (rows, columns, 3) uint8 array or ResizedImage
    size : (int, int)
        Rows and columns of the image itself.
    mean, std : tuple of float
        Of the model's channels, for values from 0 to 1.
    """

    def __init__(
        self,
        picture: npt.NDArray[np.uint8] | ResizedImage,
        size: tuple[int, int],
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        self.size = size
        self._picture = picture
        self._mean = mean
        self._std = std

    def expect(self, left: int, right: int) -> None:
        """Say that columns will be asked for, so that they are read once."""
        if isinstance(self._picture, ResizedImage):
            self._picture.widen(left, right)

    def take_only(self, left: int, right: int) -> None:
        """Say that no other columns will be asked for, so none is read."""
        if isinstance(self._picture, ResizedImage):
            self._picture.take_only(left, right)

    def is_unchanged(self) -> Generator[None, None, bool]:
        """Yield in between; return whether the image still looks the same.

        What was looked at is read once more, and nothing else.
        """
        if not isinstance(self._picture, ResizedImage):
            return True
        return (yield from self._picture.is_unchanged())

    def crop(
        self, top: int, left: int, height: int, width: int
    ) -> npt.NDArray[np.uint8]:
        """Return a part, (height, width, 3)."""
        return self._picture[top : top + height, left : left + width]

    def normalized(
        self, top: int, left: int, height: int, width: int
    ) -> torch.Tensor:
        """Return a part as the image tower takes it: (3, height, width)."""
        part = self.crop(top, left, height, width)
        return pixels.normalize(
            np.ascontiguousarray(part), self._mean, self._std
        )

    def guide(self, area: Region) -> torch.Tensor:
        """Return what PAMR follows: an area at the image's own size.

        Parameters
        ----------
        area : Region
            In pixels of the image.

        Returns
        -------
        (3, rows, columns) float32 Tensor
            The normalized picture, scaled back bilinearly.
        """
        height, width = self._picture.shape[:2]
        rows = bilinear_taps(height, self.size[0], area.top, area.bottom)
        columns = bilinear_taps(width, self.size[1], area.left, area.right)
        top, left = int(rows.lower[0]), int(columns.lower[0])
        part = self.normalized(
            top,
            left,
            int(rows.upper[-1]) + 1 - top,
            int(columns.upper[-1]) + 1 - left,
        )
        for dim, taps, first in ((1, rows, top), (2, columns, left)):
            fraction = torch.from_numpy(taps.fraction).float()
            shape = [-1 if axis == dim else 1 for axis in range(3)]
            lower, upper = (
                part.index_select(dim, torch.from_numpy(each - first))
                for each in (taps.lower, taps.upper)
            )
            part = torch.lerp(lower, upper, fraction.reshape(shape))
        return part.contiguous()
