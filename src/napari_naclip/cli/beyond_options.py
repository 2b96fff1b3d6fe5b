"""The arguments of what goes beyond the paper; nothing slow to import."""

from __future__ import annotations

import argparse
from typing import Final

from napari_naclip.engine.beyond import SCALES, Beyond

_NUMBERS: Final[dict[str, str]] = {
    'cross_share': "share, 0 to 1, of the middle blocks' attention in that of "
    'the last (ResCLIP: about 0.3)',
    'cls_share': "share, -1 to 1, of the window's own embedding that is added "
    'to its patches; subtracted below 0 (SegEarth-OV, for aerial images: '
    '-0.3)',
    'second_scale': f'see each window at this size too, {SCALES[0]:g} to '
    f'{SCALES[1]:g}, and average',
}


def add_beyond(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to those of a command, in a group of their own."""
    group = parser.add_argument_group(
        'beyond the paper', 'Later work; all of it is off in the paper.'
    )
    for name, text in _NUMBERS.items():
        group.add_argument(
            f'--{name.replace("_", "-")}',
            type=float,
            default=argparse.SUPPRESS,
            metavar='X',
            help=text,
        )
    group.add_argument(
        '--mirror',
        action='store_true',
        default=argparse.SUPPRESS,
        help='see each window mirrored too, and average: twice the time',
    )


def read_beyond(arguments: argparse.Namespace) -> Beyond:
    """Return what was asked for; what was left out is off.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    given = vars(arguments)
    names = (*_NUMBERS, 'mirror')
    return Beyond(**{name: given[name] for name in names if name in given})
