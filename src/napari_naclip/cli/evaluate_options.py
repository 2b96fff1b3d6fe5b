"""The arguments of ``napari-naclip evaluate``; nothing slow to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from napari_naclip.cli.beyond_options import add_beyond, read_beyond
from napari_naclip.engine.types import (
    Architecture,
    Refinement,
    Resampling,
    Strategy,
)
from napari_naclip.evaluate.layouts import LAYOUTS, UNDECIDED

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE: Final = """\
examples:
  napari-naclip evaluate --dataset voc21 --root data/VOCdevkit
  napari-naclip evaluate --images photos --labels masks --classes classes.txt

What was counted in each image is kept beside the figures: the same command
goes on where it was interrupted.
"""

#: Options that are fields of ``Settings``: those left out stay as they are.
_CHOICES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    'refine': (get_args(Refinement), 'sharpen the borders'),
    'strategy': (get_args(Strategy), 'attention of the last block'),
    'architecture': (get_args(Architecture), 'the last block'),
    'resampling': (get_args(Resampling), 'how the image is made smaller'),
}
_NUMBERS: Final[dict[str, tuple[Callable[[str], int | float], str]]] = {
    'window': (int, 'side of the sliding window in pixels, 0 for none'),
    'stride': (int, 'step of the sliding window in pixels'),
    'reduction': (float, 'image pixels for each pixel that the model sees'),
    'threshold': (float, 'probability below which a pixel is background'),
    'logit_scale': (float, 'factor on the cosines before the softmax'),
}


def add_evaluate(
    parser: argparse.ArgumentParser,
    add_model: Callable[[argparse._ArgumentGroup], None],
    detail: Callable[[str], int | None],
) -> None:
    """Add the arguments.

    Parameters
    ----------
    parser : ArgumentParser
        Of the command.
    add_model : callable
        Adds the arguments that say which model.
    detail : callable
        Reads a number of pixels or "full".
    """
    data = parser.add_argument_group('data')
    data.add_argument(
        '--dataset',
        choices=tuple(LAYOUTS),
        metavar='NAME',
        help=f'a set of the paper: {", ".join(LAYOUTS)}',
    )
    data.add_argument(
        '--root',
        type=Path,
        metavar='DIR',
        help='its folder, such as VOCdevkit, or the one that holds it',
    )
    for name, text in (
        ('images', 'instead: folder of images'),
        ('labels', 'and folder of label files (.png, .tif) of their names'),
    ):
        data.add_argument(f'--{name}', type=Path, metavar='DIR', help=text)
    data.add_argument(
        '--classes',
        '--classes-file',
        dest='classes_file',
        type=Path,
        metavar='FILE',
        help='class list: text with a class a line, CSV, or JSON; its label '
        'values are those of the label files, in text from 1, a background '
        'row 0. With --dataset: instead of its own classes',
    )
    data.add_argument(
        '--ignore',
        type=int,
        action='append',
        metavar='VALUE',
        help='with --classes: value of pixels that do not count (default: '
        f'{UNDECIDED}; without a background row 0, too); can be repeated',
    )
    data.add_argument(
        '--from-zero',
        action='store_true',
        help='with --classes: the label files count the first class as 0',
    )
    data.add_argument(
        '--limit', type=int, metavar='N', help='only the first N images'
    )
    data.add_argument(
        '-o',
        '--output',
        type=Path,
        metavar='DIR',
        help='folder for the figures (.json) and for what is kept of each '
        'image (default: evaluation-NAME)',
    )
    data.add_argument(
        '--progress',
        action=argparse.BooleanOptionalAction,
        help='show a progress bar (default: on a terminal)',
    )
    add_model(parser.add_argument_group('model'))
    settings = parser.add_argument_group(
        'settings',
        'As published for a set of the paper, with refinement;\n'
        'with --classes as in "napari-naclip segment".',
    )
    settings.add_argument(
        '--detail',
        type=detail,
        default=argparse.SUPPRESS,
        metavar='PIXELS|full',
        help='short side that the image is resized to',
    )
    for name, (kind, text) in _NUMBERS.items():
        settings.add_argument(
            f'--{name.replace("_", "-")}',
            type=kind,
            default=argparse.SUPPRESS,
            metavar='N',
            help=text,
        )
    for name, (choices, text) in _CHOICES.items():
        settings.add_argument(
            f'--{name}', choices=choices, default=argparse.SUPPRESS, help=text
        )
    add_beyond(parser)


def read_changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of ``Settings`` that were given."""
    names = ('detail', *_NUMBERS, *_CHOICES)
    given = vars(arguments)
    changes = {name: given[name] for name in names if name in given}
    beyond = read_beyond(arguments)
    return changes if beyond.is_off else {**changes, 'beyond': beyond}
