"""The machine's plain matrix rate, and the baseline's window beside it.

A baseline that reaches about the rate at which the same process multiplies
matrices of the same shapes has not been made slow.

Run it with ``python benchmarks/matrix_rate.py [--threads N]``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Final

import torch
from torch.nn.functional import linear

if TYPE_CHECKING:
    from collections.abc import Callable

#: Tokens of a 224 px window of ViT-B/16: 14 x 14 patches and CLS.
TOKENS: Final = 197
#: (inputs, outputs) of the products of one of its blocks.
BLOCK_SHAPES: Final = ((768, 2304), (768, 768), (768, 3072), (3072, 768))
#: Blocks, each with weights of its own.
BLOCKS: Final = 12
#: Arithmetic of one such window, in GFLOP.
WINDOW_GFLOP: Final = 35.0


def time_median(task: Callable[[], object], repeat: int) -> float:
    """Return the median seconds of `repeat` calls, after one that warms up."""
    task()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@torch.inference_mode()
def shape_rate(inputs: int, outputs: int, repeat: int = 5) -> float:
    """Return the GFLOP/s of (197, inputs) @ (inputs, outputs), float32.

    The product is taken with one weight for each block of the tower, one
    after the other, as the tower does.
    """
    x = torch.randn(TOKENS, inputs)
    weights = [torch.randn(outputs, inputs) for _ in range(BLOCKS)]

    def multiply() -> None:
        for weight in weights:
            linear(x, weight)

    flop = 2 * TOKENS * inputs * outputs * BLOCKS
    return flop / time_median(multiply, repeat) / 1e9


class TowerProducts:
    """All products of a tower with weights of its own for each block."""

    def __init__(self) -> None:
        self._pairs = [
            (torch.randn(TOKENS, inputs), torch.randn(outputs, inputs))
            for _ in range(BLOCKS)
            for inputs, outputs in BLOCK_SHAPES
        ]
        elements = sum(weight.numel() for _, weight in self._pairs)
        #: Arithmetic of one call, in GFLOP.
        self.gflop = 2 * TOKENS * elements / 1e9

    @torch.inference_mode()
    def __call__(self) -> None:
        """Multiply."""
        for x, weight in self._pairs:
            linear(x, weight)


@torch.inference_mode()
def square_rate(side: int = 2048, repeat: int = 5) -> float:
    """Return the GFLOP/s of a product of two large square matrices."""
    left, right = torch.randn(2, side, side)
    seconds = time_median(lambda: left @ right, repeat)
    return 2 * side**3 / seconds / 1e9


def random_clip(seed: int = 0) -> torch.nn.Module:
    """Return ViT-B/16's CLIP with seeded random weights, to be evaluated."""
    import open_clip

    torch.manual_seed(seed)
    config = open_clip.get_model_config('ViT-B-16-quickgelu')
    return open_clip.model.CLIP(**config).eval().requires_grad_(False)


def window_task(clip: torch.nn.Module) -> Callable[[], object]:
    """Return the baseline's work on one 224 px window."""
    import baseline

    pixels = torch.randn(3, 224, 224)
    options = baseline.Options()
    return lambda: baseline.window_tokens(clip, pixels, options)


def measure_rates(
    repeat: int = 9,
) -> tuple[float, dict[tuple[int, int], float], float]:
    """Return the GFLOP/s of a tower's products, each shape, and squares."""
    products = TowerProducts()
    tower = products.gflop / time_median(products, repeat)
    rates = {shape: shape_rate(*shape, repeat) for shape in BLOCK_SHAPES}
    return tower, rates, square_rate(repeat=repeat)


def print_rates(
    tower: float, rates: dict[tuple[int, int], float], square: float
) -> None:
    """Print the rates as a table."""
    print(f'{"matrix product, float32":<40}{"GFLOP/s":>9}')
    for (inputs, outputs), value in rates.items():
        shape = f'{TOKENS} x {inputs} @ {inputs} x {outputs}'
        print(f'{shape:<40}{value:>9.0f}')
    print(f'{"all products of the tower":<40}{tower:>9.0f}')
    print(f'{"2048 x 2048 @ 2048 x 2048":<40}{square:>9.0f}')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeat', type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tower, rates, square = measure_rates(arguments.repeat)
    print_rates(tower, rates, square)
    products, window = TowerProducts(), window_task(random_clip())
    shares = []
    for _ in range(arguments.repeat):
        seconds = time_median(window, 1)
        reached = WINDOW_GFLOP / seconds
        shares.append(reached / (products.gflop / time_median(products, 1)))
    share = statistics.median(shares)
    print(
        f'\nbaseline, one window of {WINDOW_GFLOP:.0f} GFLOP: '
        f'{share:.0%} of the rate of the tower (measured in turn)'
    )


if __name__ == '__main__':
    main()
