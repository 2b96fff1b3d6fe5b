"""Every strategy, and what goes beyond the paper: quality, time and memory.

Quality is the mean IoU of demo models on the demo's held-out scenes. Time is
that of the windows of a 336 x 448 picture with a random ViT-B/16, as a
multiple of plain NACLIP's, which runs before each; memory is the largest of a
process of its own beyond that of the loaded model (Linux only).

Run it with
``python benchmarks/strategies.py quality quality.json [--scenes N]
[--weights FILE ...]`` (demo models besides the bundled one, as
``napari_naclip.demo.training`` writes them for other seeds),
``python benchmarks/strategies.py cost cost.json [--repeat N]``, and
``python benchmarks/strategies.py table quality.json cost.json
docs/strategies.md``, which puts the tables into the document.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

import machine
from instant import make_model
from napari_naclip.demo.evaluation import (
    REPORTED_SEED,
    demo_settings,
    draw_scene_set,
    load_checkpoint,
    measure,
)
from napari_naclip.demo.scenes import CLASS_SETS
from napari_naclip.engine.beyond import Beyond
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import Architecture, Settings, Strategy
from strategies_report import put_tables

if TYPE_CHECKING:
    from napari_naclip.engine.models import Model

#: What all others are compared with.
PLAIN: Final = 'reduced + naclip'
_PAIRS: Final[tuple[tuple[Architecture, Strategy], ...]] = (
    ('vanilla', 'vanilla'),
    ('vanilla', 'csa'),
    ('vanilla', 'naclip'),
    ('reduced', 'vanilla'),
    ('reduced', 'nonly'),
    ('reduced', 'kk'),
    ('reduced', 'naclip'),
)
#: Values from the literature, and around them; none was tuned.
_BEYOND: Final[dict[str, dict[str, Any]]] = {
    'cross-correlation 0.3': {'cross_share': 0.3},
    'cross-correlation 0.5': {'cross_share': 0.5},
    'class token -0.3': {'cls_share': -0.3},
    'class token -0.1': {'cls_share': -0.1},
    'class token +0.1': {'cls_share': 0.1},
    'class token +0.3': {'cls_share': 0.3},
    'mirrored': {'mirror': True},
    'second size 0.5': {'second_scale': 0.5},
    'second size 0.75': {'second_scale': 0.75},
    'second size 1.5': {'second_scale': 1.5},
    'second size 2': {'second_scale': 2.0},
    'cross-correlation 0.3, mirrored, second size 1.5': {
        'cross_share': 0.3,
        'mirror': True,
        'second_scale': 1.5,
    },
}
#: What differs from the usual settings, for each row of the table.
ROWS: Final[dict[str, dict[str, Any]]] = {
    **{
        f'{architecture} + {strategy}': {
            'architecture': architecture,
            'strategy': strategy,
        }
        for architecture, strategy in _PAIRS
    },
    **{name: {'beyond': Beyond(**given)} for name, given in _BEYOND.items()},
}


def row_settings(name: str, **usual: Any) -> Settings:
    """Return the settings of a row, with what is usual for all of them."""
    return Settings(**{**usual, **ROWS[name]})


def measure_quality(
    weights: list[Path], scenes: int, names: list[str]
) -> dict[str, Any]:
    """Return the mean IoU of every row on every set with every model."""
    usual = demo_settings('reduced', 'naclip', 112, 56).to_dict()
    sets = [draw_scene_set(name, scenes) for name in names]
    found: dict[str, dict[str, list[float]]] = {
        row: {name: [] for name in names} for row in ROWS
    }
    for file in (None, *weights):
        model = load_checkpoint(file)
        for row in ROWS:
            settings = row_settings(row, **usual)
            for each in sets:
                score = measure(model, each, settings)[0]
                found[row][each.name].append(score)
            shown = {name: found[row][name][-1] for name in names}
            print(file or 'bundled', row, shown, flush=True)
    return {'scenes': scenes, 'seed': REPORTED_SEED, 'rows': found}


def encode(model: Model, row: str) -> float:
    """Return the seconds that the windows of a picture take."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (336, 448, 3), dtype=np.uint8)
    segmenter = Segmenter(model, row_settings(row), DictStore())
    start = time.perf_counter()
    run_to_end(segmenter.encode(image))
    return time.perf_counter() - start


def measure_cost(repeat: int) -> dict[str, Any]:
    """Return times relative to plain NACLIP, and megabytes, of every row."""
    model = make_model()
    encode(model, PLAIN)
    found = {}
    for row in ROWS:
        ratios = []
        for _ in range(repeat):
            plain = encode(model, PLAIN)
            ratios.append(encode(model, row) / plain)
        memory = subprocess.run(
            [sys.executable, __file__, 'peak', row],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        found[row] = {
            'time': statistics.median(ratios),
            'least': min(ratios),
            'most': max(ratios),
            'memory': float(memory.stdout.splitlines()[-1]),
        }
        print(row, found[row], flush=True)
    facts = machine.machine_facts(torch.get_num_threads())
    return {'machine': facts, 'repeat': repeat, 'rows': found}


def print_peak(row: str) -> None:
    """Print the largest memory beyond that of the loaded model, in MB."""
    model = make_model()
    machine.release_memory()
    before = machine.read_memory('VmRSS')
    Path('/proc/self/clear_refs').write_text('5', 'ascii')
    encode(model, row)
    print(machine.read_memory('VmHWM') - before)


def main() -> None:
    """Measure, or write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    quality = commands.add_parser('quality')
    quality.add_argument('json', type=Path)
    quality.add_argument('--scenes', type=int, default=20)
    quality.add_argument('--weights', type=Path, nargs='*', default=[])
    quality.add_argument('--sets', nargs='+', default=list(CLASS_SETS))
    cost = commands.add_parser('cost')
    cost.add_argument('json', type=Path)
    cost.add_argument('--repeat', type=int, default=5)
    commands.add_parser('peak').add_argument('row', choices=ROWS)
    table = commands.add_parser('table')
    for name in ('quality', 'cost', 'document'):
        table.add_argument(name, type=Path)
    options = parser.parse_args()
    if options.command == 'peak':
        print_peak(options.row)
    elif options.command == 'table':
        found = [
            json.loads(file.read_text('utf-8'))
            for file in (options.quality, options.cost)
        ]
        text = options.document.read_text('utf-8')
        options.document.write_text(put_tables(text, *found), 'utf-8')
    else:
        measured = (
            measure_cost(options.repeat)
            if options.command == 'cost'
            else measure_quality(options.weights, options.scenes, options.sets)
        )
        text = json.dumps(measured, indent=2) + '\n'
        options.json.write_text(text, 'utf-8')


if __name__ == '__main__':
    main()
