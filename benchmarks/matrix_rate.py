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


def tower_rate(repeat: int = 5) -> tuple[float, dict[tuple[int, int], float]]:
    """Return the GFLOP/s of all of a tower's products, and of each shape."""
    rates = {
        shape: shape_rate(*shape, repeat=repeat) for shape in BLOCK_SHAPES
    }
    work = {shape: shape[0] * shape[1] for shape in BLOCK_SHAPES}
    seconds = sum(work[shape] / rates[shape] for shape in BLOCK_SHAPES)
    return sum(work.values()) / seconds, rates


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


def window_seconds(clip: torch.nn.Module, repeat: int = 5) -> float:
    """Return the seconds that the baseline takes for one 224 px window."""
    import baseline

    pixels = torch.randn(3, 224, 224)
    options = baseline.Options()
    return time_median(
        lambda: baseline.window_tokens(clip, pixels, options), repeat
    )


def print_rates(
    rate: float, rates: dict[tuple[int, int], float], square: float
) -> None:
    """Print the rates as a table."""
    print(f'{"matrix product, float32":<40}{"GFLOP/s":>9}')
    for (inputs, outputs), value in rates.items():
        shape = f'{TOKENS} x {inputs} @ {inputs} x {outputs}'
        print(f'{shape:<40}{value:>9.0f}')
    print(f'{"the tower, all four":<40}{rate:>9.0f}')
    print(f'{"2048 x 2048 @ 2048 x 2048":<40}{square:>9.0f}')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeat', type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rate, rates = tower_rate(arguments.repeat)
    print_rates(rate, rates, square_rate(repeat=arguments.repeat))
    seconds = window_seconds(random_clip(), arguments.repeat)
    reached = WINDOW_GFLOP / seconds
    print(
        f'\nbaseline, one window ({WINDOW_GFLOP:.0f} GFLOP): {seconds:.3f} s '
        f'= {reached:.0f} GFLOP/s, {reached / rate:.0%} of the tower rate'
    )


if __name__ == '__main__':
    main()
