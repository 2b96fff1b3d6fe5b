"""The engine against the published procedure, on the same weights.

Both sides run in one process, in turn (A B A B ...); peak memory is taken in
a process of its own for each row and side. The weights are those of a random
ViT-B/16: speed does not depend on their values. See README.md beside it.

Run it with ``python benchmarks/spine.py [--repeat N] [--threads N]
[--precision float32|bfloat16] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch.nn.functional import interpolate

import baseline
import matrix_rate
from napari_naclip.engine import classify, refine
from napari_naclip.engine.clip.text import clip_tokenizer, embed_queries
from napari_naclip.engine.device import cpu_has_bfloat16
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.prompts import IMAGENET_TEMPLATES
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import (
    REFINEMENTS,
    ClassList,
    Settings,
    TextClass,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

HEIGHT, WIDTH = 336, 448
STEPS, DILATIONS = REFINEMENTS['fast']
#: The class name whose 80 prompts are encoded.
TEXT_NAME: Final = 'sheep'
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
TOLERANCE: Final = 0.2


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
    Row('refined-slices', 'the same, copies by slices', 8.0),
    Row('bfloat16', 'image, text cached, bfloat16', 3.0),
    Row('pamr-21', 'PAMR alone, 21 maps'),
    Row('pamr-56', 'PAMR alone, 56 maps'),
    Row('pamr-56-slices', 'the same, copies by slices'),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a side computed, for comparison.

    Attributes
    ----------
    values : Tensor
        Embedding, or maps of cosines (Q, H, W).
    labels : (H, W) array or None
    """

    values: torch.Tensor
    labels: npt.NDArray[np.integer] | None = None


class Side(Protocol):
    """What both sides can do."""

    def run(self, key: str) -> object:
        """Do the work of a row, as it is timed."""

    def answer(self, key: str) -> Answer:
        """Return what the work of a row computes, untimed."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is worked on.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
    prompts : list of list of str
        Of each class; the first is the background.
    queries : (Q, D) float32 Tensor
        Embeddings of all prompts.
    maps : (Q, H, W) float32 Tensor
        For PAMR alone.
    """

    image: npt.NDArray[np.uint8]
    prompts: list[list[str]]
    queries: torch.Tensor
    maps: torch.Tensor

    @property
    def owners(self) -> torch.Tensor:
        """Class of each query, (Q,)."""
        counts = torch.tensor([len(each) for each in self.prompts])
        return torch.arange(len(counts)).repeat_interleave(counts)


class Published:
    """The baseline."""

    def __init__(self, clip: torch.nn.Module, work: Work) -> None:
        self._clip = clip
        self._work = work
        self._tokenizer = clip_tokenizer()
        self._picture = baseline.prepare(work.image)

    def run(self, key: str) -> object:
        """Do the work of a row, as it is timed."""
        work = self._work
        if key == 'text':
            return baseline.encode_query(
                self._clip, self._tokenizer, TEXT_NAME, IMAGENET_TEMPLATES
            )
        if key.startswith('pamr'):
            return self._refine(work.maps[: _map_count(key)], key)
        options = baseline.Options(
            steps=STEPS if key.startswith('refined') else 0,
            dilations=DILATIONS,
            by_slices=key.endswith('slices'),
        )
        return baseline.segment(
            self._clip, work.image, work.queries, work.owners, options
        )

    def answer(self, key: str) -> Answer:
        """Return what the work of a row computes, untimed."""
        result: Any = self.run(key)
        if isinstance(result, torch.Tensor):
            return Answer(result)
        maps = baseline.image_cosines(
            self._clip, self._picture, self._work.queries, baseline.Options()
        )
        if key.startswith('refined'):
            maps = self._refine(maps, key)
        return Answer(maps, result[0].numpy())

    def _refine(self, maps: torch.Tensor, key: str) -> torch.Tensor:
        return baseline.refine(
            maps,
            self._picture,
            steps=STEPS,
            dilations=DILATIONS,
            by_slices=key.endswith('slices'),
        )


class Engine:
    """The engine of this project, in one precision."""

    def __init__(self, model: Model, work: Work) -> None:
        self._model = model
        self._work = work
        self._guide = baseline.prepare(work.image)
        first, *others = work.prompts
        self._classes = ClassList(
            tuple(
                TextClass(prompts[0], tuple(prompts), value)
                for value, prompts in enumerate(others, start=1)
            ),
            TextClass('background', tuple(first), 0),
        )

    def run(self, key: str) -> object:
        """Do the work of a row, as it is timed."""
        if key == 'text':
            *_, (_, embeddings) = embed_queries(
                self._model.text, [TEXT_NAME], IMAGENET_TEMPLATES
            )
            return embeddings
        if key.startswith('pamr'):
            return self._refine(self._work.maps[: _map_count(key)])
        segmenter = self._segmenter(key)
        features = run_to_end(segmenter.encode(self._work.image))
        return run_to_end(segmenter.classify(features, self._classes))

    def answer(self, key: str) -> Answer:
        """Return what the work of a row computes, untimed."""
        result: Any = self.run(key)
        if isinstance(result, torch.Tensor):
            return Answer(result.squeeze(0))
        features = run_to_end(self._segmenter(key).encode(self._work.image))
        scores = classify.token_scores(features, self._work.queries)
        height = features.size[0]
        maps = classify.Projection(features).maps(scores, slice(0, height))
        if key.startswith('refined'):
            maps = self._refine(maps)
        return Answer(maps, result.labels)

    def _segmenter(self, key: str) -> Segmenter:
        refinement = 'fast' if key.startswith('refined') else 'off'
        return Segmenter(
            self._model,
            Settings(refine=refinement, window=224, stride=112),
        )

    def _refine(self, maps: torch.Tensor) -> torch.Tensor:
        matrix = refine.affinity_matrix(self._guide, DILATIONS)
        columns = maps.flatten(1).T.contiguous()
        for refined in refine.refine_maps(columns, matrix, STEPS):
            columns = refined
        return columns.T.reshape(maps.shape)


def _map_count(key: str) -> int:
    return int(key.split('-')[1])


def load_image() -> tuple[npt.NDArray[np.uint8], str]:
    """Return an RGB image (336, 448, 3) and what it is.

    A part of scikit-image's photograph "coffee" where that package is
    installed (napari brings it), else a smooth random picture.
    """
    try:
        from skimage import data
    except ImportError:
        generator = torch.Generator().manual_seed(0)
        picture = sum(
            interpolate(
                torch.rand(
                    1, 3, 3 * 2**octave, 4 * 2**octave, generator=generator
                ),
                (HEIGHT, WIDTH),
                mode='bicubic',
            )
            / 2**octave
            for octave in range(6)
        )
        picture = (picture - picture.min()) / (picture.max() - picture.min())
        array = (255 * picture[0].permute(1, 2, 0)).round().byte().numpy()
        return array, 'smooth random picture'
    photograph = data.coffee()[32 : 32 + HEIGHT, 76 : 76 + WIDTH]
    return np.ascontiguousarray(photograph), "scikit-image's coffee, cut"


def load_prompts() -> list[list[str]]:
    """Return the 21 classes of VOC21, 56 prompts in all."""
    path = Path(__file__).with_name('voc21.json')
    classes: list[list[str]] = json.loads(path.read_text('utf-8'))['classes']
    return classes


def make_work(queries: torch.Tensor) -> Work:
    """Return what is worked on."""
    prompts = load_prompts()
    generator = torch.Generator().manual_seed(1)
    count = sum(len(each) for each in prompts)
    coarse = torch.rand(1, count, 21, 28, generator=generator)
    maps = interpolate(coarse, (HEIGHT, WIDTH), mode='bilinear')[0]
    return Work(load_image()[0], prompts, queries, maps)


def make_model(clip: torch.nn.Module, key: str, folder: Path) -> Model:
    """Return the engine's model for a row, its texts kept in a folder."""
    return load_model(
        (clip, clip_tokenizer()),
        device='cpu',
        precision='bfloat16' if key == 'bfloat16' else 'float32',
        cache_folder=folder / 'texts',
    )


def embed_all(model: Model) -> torch.Tensor:
    """Return the embeddings of all prompts; encodes those not yet kept."""
    queries = [prompt for prompts in load_prompts() for prompt in prompts]
    return run_to_end(model.embed(queries, IMAGENET_TEMPLATES))


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


def read_memory(field: str) -> float:
    """Return a field of this process's memory status in MB."""
    for line in Path('/proc/self/status').read_text('ascii').splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def release_memory() -> None:
    """Give freed memory back to the system, so that it is not counted."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)


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
    release_memory()
    before = read_memory('VmRSS')
    Path('/proc/self/clear_refs').write_text('5', 'ascii')
    task.run(key)
    print(json.dumps({'before': before, 'peak': read_memory('VmHWM')}))


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


def machine_facts(threads: int) -> dict[str, str]:
    """Return what the numbers depend on."""
    name = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        lines = info.read_text('utf-8').splitlines()
        names = (line for line in lines if line.startswith('model name'))
        name = next(names, f':{name}').partition(':')[2].strip()
    native = 'has it' if cpu_has_bfloat16() else 'not native'
    return {
        'processor': name,
        'cores': str(os.cpu_count()),
        'threads used': str(threads),
        'vector instructions': torch.backends.cpu.get_cpu_capability(),
        'bfloat16': native,
        'system': f'{platform.system()} {platform.machine()}',
        'Python': platform.python_version(),
        'torch': torch.__version__,
        'image': f'{HEIGHT} x {WIDTH}, {load_image()[1]}',
    }


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


def print_facts(facts: dict[str, str]) -> None:
    """Print the machine's facts."""
    for name, value in facts.items():
        print(f'{name + ":":<22}{value}')


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print times, memory and agreement, a table each."""
    print(
        f'\n{"median of pairs":<32}{"baseline":>10}{"engine":>10}'
        f'{"ratio":>8}{"least":>8}{"most":>8}{"target":>8}'
    )
    for row in rows:
        target = row['target']
        text = '' if target is None else f'{target:g}'
        if target is not None and row['ratio'] < target:
            text = f'missed {text}'
        print(
            f'{row["title"]:<32}{row["baseline_s"]:>8.3f} s'
            f'{row["engine_s"]:>8.3f} s{row["ratio"]:>8.2f}'
            f'{row["ratio_least"]:>8.2f}{row["ratio_most"]:>8.2f}{text:>8}'
        )
    print(
        f'\n{"peak memory, MB (VmHWM)":<32}{"baseline":>10}{"above":>8}'
        f'{"engine":>10}{"above":>8}'
    )
    for row in rows:
        cells = ''
        for side, width in (('baseline', 10), ('engine', 10)):
            memory = row[f'{side}_memory']
            if memory is None:
                cells += f'{"-":>{width}}{"-":>8}'
                continue
            above = memory['peak'] - memory['before']
            cells += f'{memory["peak"]:>{width}.0f}{above:>8.0f}'
        print(f'{row["title"]:<32}{cells}')
    print(
        f'\n{"largest difference":<32}{"values":>10}{"labels":>11}'
        f'{"clear ones":>12}'
    )
    for row in rows:
        labels = '' if row['labels'] is None else f'{row["labels"]:.4%}'
        clear = '' if row['labels'] is None else f'{row["clear_labels"]:.4%}'
        print(
            f'{row["title"]:<32}{row["largest"]:>10.1e}{labels:>11}{clear:>12}'
        )


def print_checks(checks: Sequence[dict[str, Any]]) -> None:
    """Print how the baseline stands to the matrix rate."""
    print(
        '\nThe baseline beside plain matrix products: GFLOP that these do in '
        'its time'
    )
    print(f'{"":<32}{"here":>10}{"published":>11}{"quotient":>10}')
    for check in checks:
        quotient = check['quotient']
        verdict = 'within 20 %'
        if quotient < 1 - TOLERANCE:
            verdict = 'faster than published'
        elif quotient > 1 + TOLERANCE:
            verdict = 'slower than published'
        print(
            f'{check["title"]:<32}{check["gflop"]:>10.0f}'
            f'{check["published_gflop"]:>11.0f}{quotient:>10.2f}  {verdict}'
        )


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
    facts = machine_facts(arguments.threads)
    print_facts(facts)
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
    print_rows(rows)
    checks = check_baseline(clip, rows, arguments.repeat)
    print_checks(checks)
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
