"""The colors of classes: a cycle that color-blind eyes can tell apart."""

from __future__ import annotations

import colorsys
import re
from typing import Final

#: Okabe and Ito's palette without black ("Color Universal Design", 2008).
OKABE_ITO: Final = (
    '#e69f00',
    '#56b4e9',
    '#009e73',
    '#f0e442',
    '#0072b2',
    '#d55e00',
    '#cc79a7',
)

#: Lightness steps after the palette itself has been used up.
_LIGHTNESS: Final = (1.0, 0.55, 1.45)

_HEX = re.compile(r'#[0-9a-fA-F]{6}')


def class_color(value: int) -> str:
    """Return the default color of a label value as ``#rrggbb``.

    Parameters
    ----------
    value : int
        Label value, 1 or more. Values 1 to 7 get the palette's colors, the
        next two rounds darker and lighter ones; then the cycle repeats.
    """
    index = value - 1
    base = OKABE_ITO[index % len(OKABE_ITO)]
    factor = _LIGHTNESS[index // len(OKABE_ITO) % len(_LIGHTNESS)]
    red, green, blue = hex_to_rgb(base)
    hue, lightness, saturation = colorsys.rgb_to_hls(
        red / 255, green / 255, blue / 255
    )
    rgb = colorsys.hls_to_rgb(hue, min(lightness * factor, 0.9), saturation)
    return rgb_to_hex(*(round(channel * 255) for channel in rgb))


def is_hex_color(text: str) -> bool:
    """Return whether a text is a color of the form ``#rrggbb``."""
    return _HEX.fullmatch(text) is not None


def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of ``#rrggbb``."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def rgb_to_hex(red: int, green: int, blue: int) -> str:
    """Return ``#rrggbb`` of red, green and blue, 0 to 255."""
    return f'#{red:02x}{green:02x}{blue:02x}'
