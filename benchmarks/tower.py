"""How much of the machine's matrix rate the image tower reaches.

The tower of a random ViT-B/16 and the plain products of its own shapes take
turns on batches of the size that the engine runs: those with weights, and the
two of each attention, which are many and small. The products with weights are
taken both by torch's ``linear`` and from weights that are laid out for the
processor, as the engine's are; the faster of the two is what the tower is
measured by. All arithmetic is counted without normalizations, activations and
softmax. What the products with weights reach alone is printed besides.

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
from napari_naclip.engine.device import cpu_has_bfloat16
from napari_naclip.engine.windows import plan_windows

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH: Final = 768
HEADS: Final = 12
EMBEDDING: Final = 512
PATCHES: Final = 14 * 14
#: Share of the plain products' rate, at least.
LEAST: Final = 0.8
#: Of patches, blocks, and embeddings; the last block is run without its MLP.
SHAPES: Final = (
    (3 * 16 * 16, WIDTH),
    *BLOCK_SHAPES * (BLOCKS - 1),
    *BLOCK_SHAPES[:2],
    (WIDTH, EMBEDDING),
)


def weights_flop(windows: int) -> float:
    """Return the arithmetic of the products with weights."""
    rows = windows * TOKENS
    return sum(2.0 * rows * inputs * outputs for inputs, outputs in SHAPES)


def tower_flop(windows: int) -> float:
    """Return the arithmetic of all products of the tower."""
    attention = BLOCKS * 2 * 2.0 * TOKENS**2 * WIDTH
    return weights_flop(windows) + windows * attention


def make_attention(dtype: torch.dtype, windows: int) -> Callable[[], None]:
    """Return what multiplies as the attentions do, without their softmax."""
    size = windows * HEADS, TOKENS, WIDTH // HEADS
    query, key, value = (torch.randn(size).to(dtype) for _ in range(3))

    @torch.inference_mode()
    def multiply() -> None:
        for _ in range(BLOCKS):
            torch.bmm(torch.bmm(query, key.transpose(1, 2)), value)

    return multiply


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
    attention = make_attention(dtype, windows)
    tasks: dict[str, Callable[[], object]] = {
        'tower': lambda: tower.tokens(pixels),
        'attention': attention,
        'plain': make_products(dtype, windows, is_packed=False),
    }
    if can_pack(dtype):
        tasks['laid-out'] = make_products(dtype, windows, is_packed=True)
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeat + 1):
        for name, task in tasks.items():
            times[name].append(seconds(task))
    # The first round warms up.
    rounds = {name: found[1:] for name, found in times.items()}
    rates = {'tower': [tower_flop(windows) / each for each in rounds['tower']]}
    for name in list(tasks)[2:]:
        pairs = zip(rounds[name], rounds['attention'], strict=True)
        rates[f'{name} products'] = [
            tower_flop(windows) / (mine + other) for mine, other in pairs
        ]
        rates[f'{name} products with weights'] = [
            weights_flop(windows) / each for each in rounds[name]
        ]
    best = max(
        (name for name in rates if name.endswith('products')),
        key=lambda name: statistics.median(rates[name]),
    )
    shares = [
        mine / other
        for mine, other in zip(rates['tower'], rates[best], strict=True)
    ]
    share = statistics.median(shares)
    print(f'{str(dtype).removeprefix("torch.")}, {windows} windows at once')
    for name, found in rates.items():
        rate = statistics.median(found)
        beside = statistics.median(rates['tower']) / rate
        print(f'  {name}: {rate / 1e9:.0f} GFLOP/s; the tower {beside:.0%}')
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
        if precision == 'bfloat16' and not cpu_has_bfloat16():
            print('bfloat16: not native on this processor, not measured')
            continue
        measure(getattr(torch, precision), options.repeat)


if __name__ == '__main__':
    main()
