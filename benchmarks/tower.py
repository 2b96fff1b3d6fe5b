"""How much of the machine's matrix rate the image tower reaches.

The tower of a random ViT-B/16 and the plain products of its own shapes take
turns on batches of the size that the engine runs. The products are taken both
by torch's ``linear`` and from weights that are laid out for the processor, as
the engine's are; the faster of the two is what the tower is measured by. Its
own arithmetic is counted without normalizations, activations and softmax.

Run it with ``python benchmarks/tower.py [--precision P] [--repeat N]``, on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Final

import torch
from torch.nn.functional import linear

from machine import machine_facts
from matrix_rate import BLOCK_SHAPES, BLOCKS, TOKENS, random_clip
from napari_naclip.engine.batches import batch_size
from napari_naclip.engine.clip.products import Product, can_pack
from napari_naclip.engine.clip.tower import ImageTower
from napari_naclip.engine.windows import plan_windows

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH: Final = 768
PATCHES: Final = 14 * 14
#: Share of the plain products' rate, at least.
LEAST: Final = 0.8
#: The last block is run without its MLP.
SHAPES: Final = (*BLOCK_SHAPES * (BLOCKS - 1), *BLOCK_SHAPES[:2])


def products_flop(windows: int) -> float:
    """Return the arithmetic of the products with weights."""
    rows = windows * TOKENS
    return sum(2.0 * rows * inputs * outputs for inputs, outputs in SHAPES)


def tower_flop(windows: int) -> float:
    """Return the arithmetic of all products of the tower."""
    attention = BLOCKS * 2 * 2.0 * TOKENS**2 * WIDTH
    patches = 2.0 * PATCHES * (3 * 16 * 16) * WIDTH
    embeddings = 2.0 * PATCHES * WIDTH * 512
    return products_flop(windows) + windows * (
        attention + patches + embeddings
    )


def make_products(
    dtype: torch.dtype, windows: int, *, is_packed: bool
) -> Callable[[], None]:
    """Return what multiplies all shapes once, each with its own weight."""
    products = []
    for inputs, outputs in SHAPES:
        weight = torch.nn.Parameter(torch.randn(outputs, inputs).to(dtype))
        bias = torch.nn.Parameter(torch.zeros(outputs).to(dtype))
        product = Product(weight, bias)
        if is_packed:
            product.pack()
        x = torch.randn(windows, TOKENS, inputs).to(dtype)
        products.append((x, product, weight, bias))

    @torch.inference_mode()
    def multiply() -> None:
        for x, product, weight, bias in products:
            if is_packed:
                product(x)
            else:
                linear(x, weight, bias)

    return multiply


def seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def measure(dtype: torch.dtype, repeat: int) -> bool:
    """Measure in a precision, print, and return whether it is enough."""
    tower = ImageTower(
        random_clip().visual, device=torch.device('cpu'), dtype=dtype
    )
    plan = plan_windows(336, 448, window=224, stride=112)
    windows = batch_size(tower, plan, tower.device)
    pixels = torch.randn(windows, 3, 224, 224)
    tasks: dict[str, Callable[[], object]] = {
        'tower': lambda: tower.tokens(pixels),
        'plain products': make_products(dtype, windows, is_packed=False),
    }
    if can_pack(dtype):
        tasks['laid-out products'] = make_products(
            dtype, windows, is_packed=True
        )
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeat + 1):
        for name, task in tasks.items():
            times[name].append(seconds(task))
    # The first round warms up.
    rates = {
        name: [
            (tower_flop if name == 'tower' else products_flop)(windows)
            / each
            / 1e9
            for each in found[1:]
        ]
        for name, found in times.items()
    }
    best = max(
        (name for name in rates if name != 'tower'),
        key=lambda name: statistics.median(rates[name]),
    )
    shares = [
        mine / other
        for mine, other in zip(rates['tower'], rates[best], strict=True)
    ]
    share = statistics.median(shares)
    print(f'{str(dtype).removeprefix("torch.")}, {windows} windows at once')
    for name, found in rates.items():
        print(f'  {name}: {statistics.median(found):.0f} GFLOP/s')
    verdict = 'ok' if share >= LEAST else 'MISSED'
    print(
        f'  tower beside {best}: {share:.0%} ({min(shares):.0%} to '
        f'{max(shares):.0%}); at least {LEAST:.0%}: {verdict}'
    )
    return share >= LEAST


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeat', type=int, default=9)
    parser.add_argument(
        '--precision',
        nargs='+',
        choices=['float32', 'bfloat16'],
        default=['float32', 'bfloat16'],
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name, value in machine_facts(options.threads).items():
        print(f'{name}: {value}')
    for precision in options.precision:
        measure(getattr(torch, precision), options.repeat)


if __name__ == '__main__':
    main()
