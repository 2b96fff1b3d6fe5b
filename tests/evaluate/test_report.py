"""The figures: known by hand, in the table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.evaluate.count import Counted
from napari_naclip.evaluate.pairs import Pair
from napari_naclip.evaluate.report import (
    Tally,
    format_report,
    report,
    write_report,
)
from napari_naclip.evaluate.task import Task
from napari_naclip.evaluate.truth import ValueRule

NO_MODEL: Any = SimpleNamespace(
    name='none', fingerprint='0', device='cpu', dtype='torch.float32'
)
CLASSES = ClassList.from_text('sky; tree; water')
PAIR = Pair('a', Path('a.jpg'), Path('a.png'))


def make_content(published: float | None = None) -> dict[str, Any]:
    task = Task(
        'sea',
        (PAIR, PAIR),
        ValueRule.of_classes(CLASSES, {255}),
        CLASSES,
        Settings(),
        published,
        ('refine is off, not fast',) if published else (),
    )
    tally = Tally.of_classes(3)
    tally.add(Counted(PAIR, np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]])))
    tally.add(Counted(PAIR, np.array([[1, 0, 0], [0, 3, 0], [0, 0, 0]])))
    return report(task, tally, NO_MODEL)


def test_table_has_a_line_for_each_class_and_one_for_all() -> None:
    # 4 of 5 and 3 of 4; water is nowhere and does not count.
    assert format_report(make_content()).splitlines() == [
        'class   IoU %  recall %  pixels %',
        'sky     80.00     80.00     62.50',
        'tree    75.00    100.00     37.50',
        'water       -         -      0.00',
        '',
        (
            'sea: mean IoU 77.50 %, pixels labeled correctly 87.50 %, '
            '2 of 2 images'
        ),
    ]


def test_published_figure_is_never_without_what_differs() -> None:
    last = format_report(make_content(0.5)).splitlines()[-1]
    assert last == (
        'published: mean IoU 50.00 % (but here refine is off, not fast)'
    )


def test_figures_are_json_with_nothing_for_classes_that_are_nowhere(
    tmp_path: Path,
) -> None:
    path = tmp_path / 'result.json'
    for _ in range(2):
        write_report(path, make_content())
    content = json.loads(path.read_text(encoding='utf-8'))
    assert content == make_content()
    assert content['mean_iou'] == (0.8 + 0.75) / 2
    assert [each['iou'] for each in content['classes']] == [0.8, 0.75, None]
