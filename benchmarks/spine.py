"""The engine against the published procedure, on the same weights.

Both sides run in one process, in turn (A B A B ...); peak memory is taken in
a process of its own for each row and side. The weights are those of a random
ViT-B/16: speed does not depend on their values. See README.md beside it.

Run it with ``python benchmarks/spine.py [--repeat N] [--threads N]
[--precision float32|bfloat16] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

import baseline
import machine
import matrix_rate
import spine_report
from napari_naclip.engine.device import cpu_has_bfloat16
from spine_sides import (
    HEIGHT,
    WIDTH,
    Answer,
    Engine,
    Published,
    Side,
    embed_all,
    load_image,
    make_model,
    make_work,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Two best probabilities that differ by less may swap places by rounding.
TIE: Final = 1e-4

#: Times of the published code, in seconds, on a machine with this plain
#: matrix rate in GFLOP/s: the baseline must stand to the rate of the machine
#: that it runs on as these do, within 20 %.
PUBLISHED_RATE: Final = 170.0
PUBLISHED_SECONDS: Final = {
    'window': 0.22,
    'text': 3.9,
    'pamr-21': 7.0,
    'pamr-56': 21.0,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    key, title : str
    target : float or None
        How many times as fast the engine must be.
    """

    key: str
    title: str
    target: float | None = None


ROWS: Final = (
    Row('text', 'text of one class, 80 prompts', 5.0),
    Row('plain', 'image, text cached', 1.2),
    Row('refined', 'image, text cached, refined', 8.0),
    Row('refined-slices', 'the same, copies by slices'),
    Row('bfloat16', 'image, text cached, bfloat16', 3.0),
    Row('pamr-21', 'PAMR alone, 21 maps'),
    Row('pamr-56', 'PAMR alone, 56 maps'),
    Row('pamr-56-slices', 'the same, copies by slices'),
)


def time_in_turn(
    tasks: Sequence[Callable[[], object]], repeat: int
) -> list[tuple[float, ...]]:
    """Return the seconds of tasks in turn, after one round to warm up."""
    rounds = []
    for _ in range(repeat + 1):
        seconds = []
        for task in tasks:
            start = time.perf_counter()
            task()
            seconds.append(time.perf_counter() - start)
        rounds.append(tuple(seconds))
    return rounds[1:]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two sides agree.

    Attributes
    ----------
    largest : float
        Largest difference of cosines, embeddings or refined maps.
    labels : float or None
        Share of pixels with another label.
    clear_labels : float or None
        The same among pixels whose two best classes are not tied.
    """

    largest: float
    labels: float | None = None
    clear_labels: float | None = None


def compare_answers(
    expected: Answer, found: Answer, owners: torch.Tensor
) -> Agreement:
    """Return how far an answer is from the baseline's."""
    largest = float((expected.values - found.values).abs().max())
    if expected.labels is None or found.labels is None:
        return Agreement(largest)
    _, probabilities = baseline.decide(
        expected.values, owners, baseline.Options()
    )
    best = probabilities.topk(2, dim=0).values
    is_clear = (best[0] - best[1] > TIE).numpy()
    is_other = expected.labels != found.labels
    return Agreement(
        largest, float(is_other.mean()), float(is_other[is_clear].mean())
    )


def _equivalent(rounds: list[tuple[float, ...]], gflop: float) -> float:
    """Return what plain products do, in GFLOP, while the first task runs."""
    return statistics.median(each[0] * gflop / each[-1] for each in rounds)


def measure_row(
    row: Row, first: Side, second: Side, owners: torch.Tensor, repeat: int
) -> dict[str, Any]:
    """Return a row's times, ratio and agreement as plain data."""
    products = matrix_rate.TowerProducts()
    rounds = time_in_turn(
        (lambda: first.run(row.key), lambda: second.run(row.key), products),
        repeat,
    )
    ratios = [slow / fast for slow, fast, _ in rounds]
    agreement = compare_answers(
        first.answer(row.key), second.answer(row.key), owners
    )
    return {
        'key': row.key,
        'title': row.title,
        'target': row.target,
        'baseline_s': statistics.median(each[0] for each in rounds),
        'engine_s': statistics.median(each[1] for each in rounds),
        'ratio': statistics.median(ratios),
        'ratio_least': min(ratios),
        'ratio_most': max(ratios),
        'baseline_gflop': _equivalent(rounds, products.gflop),
        **asdict(agreement),
    }


def print_peak(key: str, side: str, folder: Path) -> None:
    """Run one row on one side; print its memory in MB as JSON.

    ``before`` is the resident memory with the model loaded, ``peak`` the
    largest while the row runs (VmHWM, reset before it).
    """
    queries = torch.from_numpy(np.load(folder / 'queries.npy'))
    work = make_work(queries)
    clip = matrix_rate.random_clip()
    task: Side
    if side == 'baseline':
        task = Published(clip, work)
    else:
        model = make_model(clip, key, folder)
        embed_all(model)
        task = Engine(model, work)
    del clip
    machine.release_memory()
    before = machine.read_memory('VmRSS')
    Path('/proc/self/clear_refs').write_text('5', 'ascii')
    task.run(key)
    print(json.dumps({'before': before, 'peak': machine.read_memory('VmHWM')}))


def measure_peak(
    key: str, side: str, folder: Path, threads: int
) -> dict[str, float] | None:
    """Return the memory of a row on a side, in a process of its own."""
    if not Path('/proc/self/clear_refs').exists():
        return None
    command = [sys.executable, __file__, '--threads', str(threads)]
    command += ['--peak', key, side, '--folder', str(folder)]
    run = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, text=True
    )
    memory: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return memory


def check_baseline(
    clip: torch.nn.Module,
    rows: Sequence[dict[str, Any]],
    repeat: int,
) -> list[dict[str, Any]]:
    """Return how the baseline stands to this machine's matrix rate.

    Its times are expressed as what the tower's plain products, run in turn
    with it, do in the same time; the quotient is 1 where that is as much as
    for the published code on the machine that it was measured on.
    """
    products = matrix_rate.TowerProducts()
    rounds = time_in_turn(
        (matrix_rate.window_task(clip), products), repeat + 4
    )
    found = [('window', 'one window', _equivalent(rounds, products.gflop))]
    found += [
        (row['key'], row['title'], row['baseline_gflop']) for row in rows
    ]
    return [
        {
            'title': title,
            'gflop': gflop,
            'published_gflop': PUBLISHED_SECONDS[key] * PUBLISHED_RATE,
            'quotient': gflop / (PUBLISHED_SECONDS[key] * PUBLISHED_RATE),
        }
        for key, title, gflop in found
        if key in PUBLISHED_SECONDS
    ]


def choose_rows(precision: str | None) -> list[Row]:
    """Return the rows to measure.

    float32, and bfloat16 where the CPU has it natively; or only those of the
    precision that was asked for.
    """
    if precision == 'bfloat16':
        return [row for row in ROWS if row.key == 'bfloat16']
    with_half = precision is None and cpu_has_bfloat16()
    return [row for row in ROWS if row.key != 'bfloat16' or with_half]


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure and print everything; return it as plain data."""
    facts = machine.machine_facts(arguments.threads)
    facts['image'] = f'{HEIGHT} x {WIDTH}, {load_image()[1]}'
    spine_report.print_facts(facts)
    tower, rates, square = matrix_rate.measure_rates()
    print()
    matrix_rate.print_rates(tower, rates, square)

    clip = matrix_rate.random_clip()
    model = make_model(clip, 'float32', folder)
    queries = embed_all(model)
    np.save(folder / 'queries.npy', queries.numpy())
    work = make_work(queries)
    published = Published(clip, work)
    rows = []
    for row in choose_rows(arguments.precision):
        if row.key == 'bfloat16':
            model = make_model(clip, row.key, folder)
            embed_all(model)
        engine = Engine(model, work)
        result = measure_row(
            row, published, engine, work.owners, arguments.repeat
        )
        for side in ('baseline', 'engine'):
            result[f'{side}_memory'] = measure_peak(
                row.key, side, folder, arguments.threads
            )
        rows.append(result)
        if row.key == 'bfloat16':
            model = make_model(clip, 'float32', folder)
            embed_all(model)
    spine_report.print_rows(rows)
    checks = check_baseline(clip, rows, arguments.repeat)
    spine_report.print_checks(checks)
    return {
        'machine': facts,
        'matrix_gflops': {
            'tower': tower,
            'square': square,
            **{f'{k} x {n}': value for (k, n), value in rates.items()},
        },
        'rows': rows,
        'baseline_check': checks,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print; write the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--precision', choices=('float32', 'bfloat16'))
    parser.add_argument('--json', type=Path, metavar='FILE')
    parser.add_argument('--peak', nargs=2, help=argparse.SUPPRESS)
    parser.add_argument('--folder', type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        print_peak(*arguments.peak, arguments.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        results = measure(arguments, Path(name))
    if arguments.json is not None:
        text = json.dumps(results, indent=1)
        arguments.json.write_text(text + '\n', 'utf-8')


if __name__ == '__main__':
    main()
