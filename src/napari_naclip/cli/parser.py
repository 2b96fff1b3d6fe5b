"""The arguments of every command; nothing here is slow to import."""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path
from typing import get_args

from napari_naclip.cli.beyond_options import add_beyond
from napari_naclip.cli.evaluate_options import EXAMPLE, add_evaluate
from napari_naclip.engine.registry import AUTO_NAME, DEFAULT_NAME
from napari_naclip.engine.typed_names import FORMS
from napari_naclip.engine.types import (
    Architecture,
    Refinement,
    Resampling,
    Settings,
    Strategy,
)
from napari_naclip.io.template_sets import (
    DEFAULT_KEY,
    OWN_KEY,
    list_template_sets,
)

# Written out because the module that defines them imports torch.
_PRECISIONS = ('auto', 'float32', 'bfloat16', 'float16')
_ACTIVATIONS = ('auto', 'gelu', 'quickgelu')

_EXAMPLE = """\
example:
  napari-naclip segment photo.jpg --classes "sky; tree, bush; water" \\
      --download -o photo-labels.tif
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='napari-naclip',
        description='Words in, mask out: segments images for classes that '
        'are described in words (NACLIP).',
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--version',
        action='version',
        version=metadata.version('napari-naclip'),
    )
    commands = parser.add_subparsers(
        dest='command', required=True, metavar='COMMAND'
    )
    _add_segment(
        commands.add_parser(
            'segment',
            help='label the pixels of images',
            description='Writes a label image and its recipe (.json) for '
            'each image.',
            epilog=_EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_evaluate(
        commands.add_parser(
            'evaluate',
            help='measure mean IoU over a data set',
            description='Segments the images of a data set and compares with '
            'their true labels: mean\nover the classes of intersection over '
            'union, over all images together; classes\nthat are in neither '
            'do not count.',
            epilog=EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ),
        _add_model,
        _detail,
    )
    _add_demo(
        commands.add_parser(
            'demo',
            help='show a drawn scene and its result',
            description='Opens napari on a drawn scene with a finished '
            'result. Without a display, or without napari, the result is '
            'saved as a picture instead. Nothing is downloaded.',
        )
    )
    _add_models(
        commands.add_parser(
            'models',
            help='list the models, describe one, or download it',
            description='Lists the models and whether they are on this '
            'machine. Names that are not listed: '
            f'{FORMS}.',
        )
    )
    _add_cache(
        commands.add_parser(
            'cache',
            help='show or clear what is kept of images, or set how much',
            description='Shows how much of images is kept so that a run that '
            'is repeated need not look at them again. Sizes are numbers with '
            'MB or GB, such as 500MB or 2GB; 0 turns a level off.',
        )
    )
    commands.add_parser(
        'info', help='print versions, devices, cache folders and free space'
    )
    return parser


def _add_segment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'images', nargs='+', type=Path, metavar='IMAGE', help='image file'
    )
    parser.add_argument(
        '-o',
        '--output',
        required=True,
        metavar='OUT',
        help='.tif or .png (with colors) file; or a folder, which gets '
        'NAME.tif for each image: for several images, for a folder that is '
        'there, or with a separator at the end',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace outputs that are there',
    )
    parser.add_argument(
        '--progress',
        action=argparse.BooleanOptionalAction,
        help='show a progress bar (default: on a terminal)',
    )
    _add_classes(parser.add_argument_group('classes'))
    _add_model(parser.add_argument_group('model'))
    _add_settings(parser.add_argument_group('settings'))
    add_beyond(parser)


def _add_classes(group: argparse._ArgumentGroup) -> None:
    text = group.add_mutually_exclusive_group(required=True)
    text.add_argument(
        '--classes',
        metavar='TEXT',
        help='classes separated by ";", synonyms by ",", in English; a first '
        'class "background" becomes the background row',
    )
    text.add_argument(
        '--classes-file',
        type=Path,
        metavar='FILE',
        help='text file with the same, a class a line works too; or a '
        'list exported as JSON, with what was taught',
    )
    group.add_argument(
        '--background',
        metavar='TEXT',
        help='prompts of a background row (label 0), separated by ","; "" '
        'for one that only the threshold fills',
    )
    group.add_argument(
        '--contrast',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='compare a class that is alone with common surroundings, whose '
        'pixels become background (default: yes)',
    )
    keys = ', '.join(each.key for each in list_template_sets())
    group.add_argument(
        '--templates',
        default=DEFAULT_KEY,
        metavar='NAME|FILE',
        help=f'sentences around each prompt: {keys}; {OWN_KEY} for those '
        'written in napari; or a text file, one a line, with {} for the '
        'prompt (default: %(default)s)',
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--model',
        default=DEFAULT_NAME,
        metavar='NAME',
        help='one that "napari-naclip models" lists; '
        f'{FORMS}; or {AUTO_NAME} for the model that --weights look like '
        '(default: %(default)s)',
    )
    group.add_argument(
        '--weights',
        type=Path,
        metavar='FILE',
        help="file with the model's weights",
    )
    group.add_argument(
        '--activation',
        default='auto',
        choices=_ACTIVATIONS,
        help='of a model from a file, which does not tell it; auto: the '
        "model's own (default: %(default)s)",
    )
    group.add_argument(
        '--download',
        action='store_true',
        help='download weights that are not on this machine',
    )
    group.add_argument(
        '--device',
        default='auto',
        help='auto, cpu, cuda, cuda:1, mps or xpu (default: %(default)s)',
    )
    group.add_argument(
        '--precision',
        default='auto',
        choices=_PRECISIONS,
        help='(default: %(default)s)',
    )


def _add_settings(group: argparse._ArgumentGroup) -> None:
    usual = Settings()
    scale = group.add_mutually_exclusive_group()
    scale.add_argument(
        '--detail',
        type=_detail,
        default=usual.detail,
        metavar='PIXELS|full',
        help='short side that the image is resized to (default: %(default)s)',
    )
    scale.add_argument(
        '--reduction',
        type=float,
        metavar='N',
        help='instead: N image pixels for each pixel that the model sees, the '
        'same for images of any size',
    )
    group.add_argument(
        '--window',
        type=int,
        metavar='N',
        help="side of the sliding window, 0 for none (default: the model's)",
    )
    group.add_argument(
        '--stride',
        type=int,
        metavar='N',
        help='step of the sliding window (default: half of it)',
    )
    group.add_argument(
        '--threshold',
        type=float,
        default=usual.threshold,
        metavar='P',
        help='probability, 0 to 1, below which a pixel is background '
        '(default: %(default)s)',
    )
    group.add_argument(
        '--logit-scale',
        type=float,
        default=usual.logit_scale,
        metavar='S',
        help='sharpness: factor on the cosines before the softmax '
        '(default: %(default)s)',
    )
    for name, text in (
        ('min-object', 'objects of fewer pixels'),
        ('max-hole', 'holes of fewer pixels in one class'),
    ):
        group.add_argument(
            f'--{name}',
            type=int,
            default=0,
            metavar='PIXELS',
            help=f'{text} go to the class around them (default: none)',
        )
    for name, choices, text in (
        ('refine', get_args(Refinement), 'sharpen the borders'),
        ('strategy', get_args(Strategy), 'attention of the last block'),
        ('architecture', get_args(Architecture), 'the last block'),
        ('resampling', get_args(Resampling), 'how the image is made smaller'),
    ):
        group.add_argument(
            f'--{name}',
            choices=choices,
            default=getattr(usual, name),
            help=f'{text} (default: %(default)s)',
        )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--screenshot',
        type=Path,
        metavar='FILE',
        help='save a picture as FILE (.png) and end; without a display '
        'naclip-demo.png is written',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a FILE that is there',
    )
    parser.add_argument(
        '--headless', action='store_true', help='open no window'
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest='action', metavar='ACTION')
    actions.add_parser('list', help='list all of them (the default)')
    show = actions.add_parser('show', help='print all that is known of one')
    download = actions.add_parser(
        'download',
        help='bring models to this machine, so that it may be offline later',
    )
    for each in (show, download):
        each.add_argument(
            'names',
            nargs='+',
            metavar='NAME',
            help=f'a name of the list, or {FORMS}',
        )
    show.add_argument(
        '--ask',
        action='store_true',
        help='ask the hub how large the download is',
    )
    download.add_argument(
        '--progress',
        action=argparse.BooleanOptionalAction,
        help='show a progress bar (default: on a terminal)',
    )


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'action',
        nargs='?',
        choices=('clear',),
        metavar='clear',
        help='forget all that is kept on the disk',
    )
    parser.add_argument(
        '--memory',
        metavar='SIZE',
        help='keep at most this much in the memory of a program, from now on',
    )
    parser.add_argument(
        '--disk',
        metavar='SIZE',
        help='keep at most this much on the disk, from now on',
    )
    parser.add_argument(
        '--outputs',
        metavar='SIZE',
        help='keep at most this much of labels and confidence in the memory '
        'of a program, and the rest on the disk, from now on',
    )


def _detail(text: str) -> int | None:
    if text.casefold() == 'full':
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is neither a number of pixels nor "full"'
        ) from None
