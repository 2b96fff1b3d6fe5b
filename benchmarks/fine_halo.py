"""How far `fine` refinement reaches in effect: labels by width of the halo.

Exactly, a pixel 50 steps times 24 pixels away can still change a value. Here
photographs and made pictures are refined in squares with less than that around
them, and their labels compared with those of the whole picture. A plain
picture lets maps spread as far as they can, but for one that repeats itself
every 24 pixels: there all weight is on the farthest neighbors.

Run it with ``python benchmarks/fine_halo.py [--size N] [--seed N]
[--pictures NAME ...] [--halos N ...]``; it needs scikit-image, which napari
brings.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from skimage import data
from torch.nn.functional import interpolate

from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine.affinities import Affinities
from napari_naclip.engine.pixels import resize
from napari_naclip.engine.refine import refine_in_place
from napari_naclip.engine.types import REFINEMENTS
from napari_naclip.engine.windows import FINE_HALO

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

PICTURES: Final = (
    'astronaut',
    'coffee',
    'chelsea',
    'rocket',
    'immunohistochemistry',
    'camera',
)
#: Pictures that are made: even, gray noise at all scales, noise pixel by
#: pixel, the demo's textures, and noise that repeats itself.
MADE: Final = ('plain', 'clouds', 'noise', 'scene')
REPEATING: Final = 'repeating'
#: Pixels of a picture to a value of the random maps: single tokens of
#: detailed windows, of the default, and things of a few tokens.
GRAINS: Final = (8, 16, 64)
#: Size of the cosines' differences between classes, and the logit scale.
AMPLITUDE: Final = 0.1
SCALE: Final = 40
#: Means and standard deviations of CLIP's pictures.
MEANS: Final = (0.4815, 0.4578, 0.4082)
SPREADS: Final = (0.2686, 0.2613, 0.2758)


def make_picture(name: str, size: int, seed: int) -> npt.NDArray[np.floating]:
    """Return a made picture (size, size, 3) with values from 0 to 255."""
    rng = np.random.default_rng(seed)
    shape = size, size, 3
    if name == 'plain':
        return np.full(shape, 128.0)
    if name == 'noise':
        return rng.uniform(0, 255, shape)
    if name == 'scene':
        scene, _ = demo_scene(seed, size, size)
        return scene.image.astype(np.float64)
    if name == REPEATING:
        count = -(-size // 24)
        tile = rng.uniform(0, 255, (24, 24, 3))
        return np.tile(tile, (count, count, 1))[:size, :size]
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size)] * 2))
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal(shape), axes=(0, 1))
    clouds = np.fft.ifft2(spectrum / frequency[:, :, None], axes=(0, 1)).real
    return 128 + 50 * clouds / clouds.std()


def load_guide(name: str, longest: int, seed: int = 0) -> torch.Tensor:
    """Return a normalized picture (3, H, W), its long side as given."""
    if name in (*MADE, REPEATING):
        picture = make_picture(name, longest, seed)
    else:
        picture = getattr(data, name)()
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=-1)
    height, width = picture.shape[:2]
    factor = longest / max(height, width)
    size = round(height * factor), round(width * factor)
    values = resize(picture[..., :3].astype(np.float32), size, 'auto') / 255
    guide = (np.clip(values, 0, 1) - MEANS) / SPREADS
    return torch.from_numpy(guide.astype(np.float32)).permute(2, 0, 1)


def random_cosines(
    count: int, size: tuple[int, int], grain: int, seed: int
) -> torch.Tensor:
    """Return smooth random maps (count, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(
        1,
        count,
        size[0] // grain + 2,
        size[1] // grain + 2,
        generator=generator,
    )
    maps = interpolate(coarse, size, mode='bilinear', align_corners=False)
    return 0.25 + AMPLITUDE / 2 * maps[0].clamp(-2, 2)


def refine(maps: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """Return maps after all steps of `fine`."""
    steps, dilations = REFINEMENTS['fine']
    affinities = Affinities(guide.contiguous(), dilations)
    refined = maps.clone()
    for _ in refine_in_place(refined, affinities, steps):
        pass
    return refined


def refine_square(
    maps: torch.Tensor,
    guide: torch.Tensor,
    place: tuple[slice, slice],
    halo: int,
) -> torch.Tensor:
    """Return maps of a part, refined with a halo at all sides."""
    outer = tuple(
        slice(max(0, each.start - halo), min(length, each.stop + halo))
        for each, length in zip(place, maps.shape[1:], strict=True)
    )
    inner = tuple(
        slice(each.start - around.start, each.stop - around.start)
        for each, around in zip(place, outer, strict=True)
    )
    refined = refine(maps[:, *outer].contiguous(), guide[:, *outer])
    return refined[:, *inner]


def find_squares(
    size: tuple[int, int], side: int, count: int
) -> list[tuple[slice, slice]]:
    """Return squares along the diagonal of a picture, away from its edges."""
    squares = []
    for number in range(1, count + 1):
        starts = [
            max(0, length * number // (count + 1) - side // 2)
            for length in size
        ]
        top, left = starts
        squares.append((slice(top, top + side), slice(left, left + side)))
    return squares


def decide(maps: torch.Tensor) -> npt.NDArray[np.integer]:
    """Return the labels of refined maps."""
    labels: npt.NDArray[np.integer] = (
        (SCALE * maps).softmax(dim=0).argmax(dim=0).numpy()
    )
    return labels


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--size', type=int, default=600)
    parser.add_argument('--pictures', nargs='+', default=[*PICTURES, *MADE])
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--classes', type=int, default=5)
    parser.add_argument('--side', type=int, default=256)
    parser.add_argument('--squares', type=int, default=2)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--halos', type=int, nargs='+', default=[128, 192, 256, FINE_HALO]
    )
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    print(
        'picture, grain'.ljust(32),
        *(f'{halo:>16}' for halo in arguments.halos),
    )
    worst = dict.fromkeys(arguments.halos, 0.0)
    for name in arguments.pictures:
        guide = load_guide(name, arguments.size, arguments.seed)
        for grain in GRAINS:
            start = time.perf_counter()
            size = guide.shape[1], guide.shape[2]
            maps = random_cosines(
                arguments.classes, size, grain, grain + arguments.seed
            )
            whole = refine(maps, guide)
            labels = decide(whole)
            squares = find_squares(size, arguments.side, arguments.squares)
            cells = []
            for halo in arguments.halos:
                shares, largest = [], 0.0
                for place in squares:
                    found = refine_square(maps, guide, place, halo)
                    shares.append((decide(found) != labels[place]).mean())
                    difference = (found - whole[:, *place]).abs().max()
                    largest = max(largest, float(difference))
                share = float(np.mean(shares))
                worst[halo] = max(worst[halo], share)
                cells.append(f'{share:8.1e} {largest:7.0e}')
            seconds = time.perf_counter() - start
            print(f'{name}, {grain}'.ljust(32), *cells, f'{seconds:.0f} s')
    print(
        'largest share of labels'.ljust(32),
        *(f'{share:8.1e}'.ljust(16) for share in worst.values()),
    )


if __name__ == '__main__':
    main()
