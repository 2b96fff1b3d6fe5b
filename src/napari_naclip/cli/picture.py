"""A result as one picture: the image, the classes over it, a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_naclip.engine.colors import hex_to_rgb
from napari_naclip.io.labels import class_shares

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.engine.types import Segmentation

#: Share of the class color in the overlay.
_OPACITY: Final = 0.55
_GAP: Final = 12
_FONT_SIZE: Final = 15
_SWATCH: Final = 16
_ROW: Final = 26


def draw_result(
    image: npt.NDArray[np.uint8], segmentation: Segmentation
) -> Image.Image:
    """Return the image, its overlay and a legend side by side.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    segmentation : Segmentation
        Its labels have the image's size.
    """
    rows = segmentation.classes.rows
    shares = class_shares(segmentation)
    texts = [f'{row.name}  {100 * shares[row.name]:.1f} %' for row in rows]
    font = ImageFont.load_default(size=_FONT_SIZE)
    legend = int(max(font.getlength(text) for text in texts)) + 3 * _SWATCH
    height, width = image.shape[:2]
    canvas = Image.new(
        'RGB',
        (
            2 * width + legend + 4 * _GAP,
            max(height, _ROW * len(rows)) + 2 * _GAP,
        ),
        'white',
    )
    canvas.paste(Image.fromarray(image), (_GAP, _GAP))
    overlay = Image.fromarray(_blend(image, segmentation))
    canvas.paste(overlay, (width + 2 * _GAP, _GAP))
    draw = ImageDraw.Draw(canvas)
    left = 2 * width + 3 * _GAP
    for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
        top = _GAP + index * _ROW
        box = (left, top, left + _SWATCH, top + _SWATCH)
        draw.rectangle(box, fill=row.color, outline='black')
        draw.text((left + 1.5 * _SWATCH, top - 1), text, 'black', font)
    return canvas


def _blend(
    image: npt.NDArray[np.uint8], segmentation: Segmentation
) -> npt.NDArray[np.uint8]:
    rows = segmentation.classes.rows
    table = np.zeros((max(row.value for row in rows) + 1, 3), np.float32)
    for row in rows:
        table[row.value] = hex_to_rgb(row.color)
    colors = table[segmentation.labels[:]]
    mixed = (1 - _OPACITY) * image + _OPACITY * colors
    picture: npt.NDArray[np.uint8] = np.rint(mixed).astype(np.uint8)
    return picture
