"""Windows that are seen mirrored, and at a second size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate, normalize

from napari_naclip.engine import batches
from napari_naclip.engine.beyond import Beyond
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.engine.views import window_tokens

if TYPE_CHECKING:
    from napari_naclip.engine.clip.tower import ImageTower

CLASSES = ClassList.from_text('grass; sand; water, sea; brick')


@pytest.fixture(scope='module')
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


@pytest.fixture(scope='module')
def tower(demo: Model) -> ImageTower:
    return demo.tower


def random_pixels(*size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn((2, 3, *size), generator=generator)


def see(
    tower: ImageTower, pixels: torch.Tensor, **beyond: float
) -> torch.Tensor:
    settings = Settings(beyond=Beyond(**beyond))  # type: ignore[arg-type]
    return window_tokens(tower, pixels, settings)


def test_off_is_the_tower_itself(tower: ImageTower) -> None:
    pixels = random_pixels(43, 70)
    assert torch.equal(see(tower, pixels), tower.tokens(pixels))


def test_a_mirrored_window_has_the_mirrored_tokens(tower: ImageTower) -> None:
    pixels = random_pixels(40, 64)
    tokens = see(tower, pixels, mirror=True)
    plain = tower.tokens(pixels)
    other = tower.tokens(pixels.flip(3)).flip(2)
    torch.testing.assert_close(tokens, normalize(plain + other, dim=-1))
    torch.testing.assert_close(
        see(tower, pixels.flip(3), mirror=True), tokens.flip(2)
    )
    assert not torch.allclose(tokens, plain, atol=1e-3)


def test_patches_are_where_they_were_in_an_odd_window(
    tower: ImageTower,
) -> None:
    pixels = random_pixels(43, 70)
    for beyond in ({'mirror': True}, {'second_scale': 2.0}):
        torch.testing.assert_close(
            see(tower, pixels, **beyond),
            see(tower, pixels[:, :, :40, :64], **beyond),
        )


@pytest.mark.parametrize(('scale', 'grid'), [(0.5, (2, 4)), (1.5, (8, 12))])
@pytest.mark.parametrize('mirror', [False, True])
def test_two_sizes_are_averaged(
    tower: ImageTower, scale: float, grid: tuple[int, int], mirror: bool
) -> None:
    pixels = random_pixels(40, 64)
    resized = interpolate(
        pixels,
        size=(8 * grid[0], 8 * grid[1]),
        mode='bilinear',
        antialias=True,
    )
    means = []
    for part in (pixels, resized):
        tokens = tower.tokens(part)
        if mirror:
            tokens = (tokens + tower.tokens(part.flip(3)).flip(2)) / 2
        means.append(
            interpolate(
                tokens.permute(0, 3, 1, 2),
                size=(5, 8),
                mode='bilinear',
                antialias=True,
            ).permute(0, 2, 3, 1)
        )
    torch.testing.assert_close(
        see(tower, pixels, second_scale=scale, mirror=mirror),
        normalize(means[0] + means[1], dim=-1),
    )


def test_a_region_is_a_part_of_the_whole(
    demo: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, '_LARGEST', 3)
    image = np.random.default_rng(3).integers(0, 256, (90, 110, 3), np.uint8)
    settings = Settings(
        detail=None,
        window=43,
        stride=21,
        templates=('{}',),
        beyond=Beyond(
            cross_share=0.3, cls_share=-0.2, mirror=True, second_scale=1.5
        ),
    )
    region = Region(31, 40, 57, 99)
    whole = segment(image, CLASSES, model=demo, settings=settings)
    part = segment(
        image, CLASSES, model=demo, settings=settings, region=region
    )
    np.testing.assert_array_equal(part.labels, whole.labels[region.slices])
    np.testing.assert_array_equal(
        part.confidence, whole.confidence[region.slices]
    )
    assert whole.recipe['settings']['beyond']['second_scale'] == 1.5
