"""What goes beyond the paper, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from napari_naclip.cli.beyond_options import read_beyond
from napari_naclip.cli.evaluate_options import read_changes
from napari_naclip.cli.parser import make_parser
from napari_naclip.engine.beyond import Beyond
from napari_naclip.io.labels import recipe_path

GIVEN = '--cross-share 0.3 --cls-share -0.2 --second-scale 0.5 --mirror'
BEYOND = Beyond(cross_share=0.3, cls_share=-0.2, second_scale=0.5, mirror=True)


@pytest.mark.parametrize(
    ('given', 'beyond'), [('', Beyond()), (GIVEN, BEYOND)]
)
def test_segment_hands_it_on(given: str, beyond: Beyond) -> None:
    arguments = make_parser().parse_args(
        ['segment', 'a.png', '-o', 'b.tif', '--classes', 'a', *given.split()]
    )
    assert read_beyond(arguments) == beyond


def test_evaluate_tells_it_from_the_published_settings() -> None:
    parse = make_parser().parse_args
    usual = ['evaluate', '--dataset', 'voc21', '--root', 'a']
    assert 'beyond' not in read_changes(parse(usual))
    changes = read_changes(parse([*usual, *GIVEN.split()]))
    assert changes['beyond'] == BEYOND


def test_labels_and_recipe_follow(
    run: Run, photo: Path, workplace: Path
) -> None:
    output = workplace / 'labels.tif'
    command = (
        'segment',
        photo,
        '--classes',
        'sand; water; grass',
        '--model',
        'demo',
        '-o',
        output,
    )
    assert run(*command, '--mirror').status == 0
    recipe = json.loads(recipe_path(output).read_text())
    assert recipe['recipe']['settings']['beyond']['mirror'] is True
    refused = run(*command, '--overwrite', '--cross-share', '2')
    assert refused.status != 0
    assert 'from 0 to 1' in refused.error
