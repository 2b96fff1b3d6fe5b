"""How far `fine` refinement reaches in effect: labels by height of the halo.

Exactly, a pixel 50 steps times 24 pixels away can still change a value. Here
photographs are refined in bands of rows with less than that around them, and
the labels compared with those of the whole picture.

Run it with ``python benchmarks/fine_halo.py [--size N] [--pictures NAME ...]
[--halos N ...]``; it
needs scikit-image, which napari brings.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from skimage import data
from torch.nn.functional import interpolate

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
#: Pixels of a picture to a value of the random maps: single tokens of
#: detailed windows, of the default, and things of a few tokens.
GRAINS: Final = (8, 16, 64)
#: Size of the cosines' differences between classes, and the logit scale.
AMPLITUDE: Final = 0.1
SCALE: Final = 40
#: Means and standard deviations of CLIP's pictures.
MEANS: Final = (0.4815, 0.4578, 0.4082)
SPREADS: Final = (0.2686, 0.2613, 0.2758)


def load_guide(name: str, longest: int) -> torch.Tensor:
    """Return a normalized photograph (3, H, W), its long side as given."""
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


def refine_bands(
    maps: torch.Tensor, guide: torch.Tensor, halo: int, height: int
) -> torch.Tensor:
    """Return maps refined in bands of rows with a halo at both sides."""
    bands = []
    rows = maps.shape[1]
    for top in range(0, rows, height):
        bottom = min(top + height, rows)
        first, last = max(0, top - halo), min(rows, bottom + halo)
        band = refine(maps[:, first:last], guide[:, first:last])
        bands.append(band[:, top - first : bottom - first])
    return torch.cat(bands, dim=1)


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
    parser.add_argument('--pictures', nargs='+', default=list(PICTURES))
    parser.add_argument('--classes', type=int, default=5)
    parser.add_argument('--band', type=int, default=96)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--halos', type=int, nargs='+', default=[64, 96, 128, FINE_HALO, 256]
    )
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    print(
        'picture, grain'.ljust(32),
        *(f'{halo:>16}' for halo in arguments.halos),
    )
    worst = dict.fromkeys(arguments.halos, 0.0)
    for name in arguments.pictures:
        guide = load_guide(name, arguments.size)
        for grain in GRAINS:
            start = time.perf_counter()
            size = guide.shape[1], guide.shape[2]
            maps = random_cosines(arguments.classes, size, grain, grain)
            whole = refine(maps, guide)
            labels = decide(whole)
            cells = []
            for halo in arguments.halos:
                found = refine_bands(maps, guide, halo, arguments.band)
                share = float((decide(found) != labels).mean())
                largest = float((found - whole).abs().max())
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
