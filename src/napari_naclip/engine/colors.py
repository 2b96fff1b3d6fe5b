"""The colors of classes: a cycle that color-blind eyes can tell apart."""

from __future__ import annotations

import colorsys
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

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

#: Colors before the cycle repeats.
_CYCLE: Final = len(OKABE_ITO) * len(_LIGHTNESS)

#: Names of hues and where, in degrees, each ends.
_HUES: Final = (
    (15, 'red'),
    (45, 'orange'),
    (70, 'yellow'),
    (168, 'green'),
    (190, 'cyan'),
    (260, 'blue'),
    (290, 'purple'),
    (345, 'pink'),
    (360, 'red'),
)

#: Names of grays and where, in lightness, each ends; the rest is white.
_GRAYS: Final = (
    (0.08, 'black'),
    (0.4, 'dark gray'),
    (0.65, 'gray'),
    (0.92, 'light gray'),
)

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


def next_color(value: int, taken: Iterable[str]) -> str:
    """Return a color for a label value beside colors that are taken.

    Parameters
    ----------
    value : int
        Label value, 1 or more.
    taken : iterable of str
        ``#rrggbb`` of the classes that are there.

    Returns
    -------
    str
        The first color of the cycle that is free; where none is, the value's
        own.
    """
    others = {color.lower() for color in taken}
    for each in range(1, _CYCLE + 1):
        if class_color(each) not in others:
            return class_color(each)
    return class_color(value)


def describe_color(color: str) -> str:
    """Return a plain name of ``#rrggbb``, for example ``'dark blue'``."""
    hue, lightness, saturation = colorsys.rgb_to_hls(
        *(channel / 255 for channel in hex_to_rgb(color))
    )
    # Near black and white a saturation means nothing.
    chroma = saturation * (1 - abs(2 * lightness - 1))
    if chroma < 0.1:
        return next((n for end, n in _GRAYS if lightness <= end), 'white')
    name = next(name for end, name in _HUES if hue * 360 <= end)
    if lightness < 0.3:
        return f'dark {name}'
    return f'light {name}' if lightness > 0.7 else name


def is_hex_color(text: str) -> bool:
    """Return whether a text is a color of the form ``#rrggbb``."""
    return _HEX.fullmatch(text) is not None


def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of ``#rrggbb``."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def rgb_to_hex(red: int, green: int, blue: int) -> str:
    """Return ``#rrggbb`` of red, green and blue, 0 to 255."""
    return f'#{red:02x}{green:02x}{blue:02x}'
