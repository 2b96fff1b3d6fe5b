"""A region is the same part of the whole result, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_naclip.engine import batches, tiles
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import (
    ClassList,
    Region,
    Segmentation,
    Settings,
)
from napari_naclip.engine.windows import count_windows

CLASSES = ClassList.from_text('background; grass, sand; water; brick; road')
#: Small windows, many of them.
SMALL: dict[str, Any] = {'window': 32, 'stride': 16, 'templates': ('{}',)}


@pytest.fixture(scope='module')
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


def make_image(*size: int) -> np.ndarray:
    """Return a smooth random picture, on which labels change."""
    generator = np.random.default_rng(0)
    coarse = torch.from_numpy(generator.random((1, 3, 5, 4)))
    picture = torch.nn.functional.interpolate(coarse, size, mode='bicubic')[0]
    noise = generator.normal(0, 10, (*size, 3))
    values = 255 * picture.permute(1, 2, 0).numpy() + noise
    return np.clip(values, 0, 255).astype(np.uint8)


def spans(length: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(0, length - 1).flatmap(
        lambda start: st.tuples(st.just(start), st.integers(start + 1, length))
    )


def assert_same_part(
    part: Segmentation, whole: Segmentation, region: Region
) -> None:
    assert part.labels.shape == region.size
    np.testing.assert_array_equal(part.labels, whole.labels[region.slices])
    np.testing.assert_array_equal(
        part.confidence, whole.confidence[region.slices]
    )


@hypothesis_settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.data(),
    size=st.tuples(st.integers(24, 130), st.integers(24, 130)),
    reduction=st.sampled_from([0.6, 1.0, 1.7, 3.0]),
    stride=st.integers(9, 32),
    tile=st.sampled_from([8, 37, 128]),
    batch=st.sampled_from([1, 3, 16]),
)
def test_any_region_is_the_same_part_of_the_whole(
    demo: Model,
    monkeypatch: pytest.MonkeyPatch,
    data: st.DataObject,
    size: tuple[int, int],
    reduction: float,
    stride: int,
    tile: int,
    batch: int,
) -> None:
    monkeypatch.setattr(tiles, 'TILE', tile)
    monkeypatch.setattr(batches, '_LARGEST', batch)
    (top, bottom), (left, right) = (data.draw(spans(side)) for side in size)
    region = Region(top, left, bottom, right)
    settings = Settings(
        window=32, stride=stride, templates=('{}',), reduction=reduction
    )
    image = make_image(*size)
    whole = segment(image, CLASSES, model=demo, settings=settings)
    part = segment(
        image, CLASSES, model=demo, settings=settings, region=region
    )
    assert_same_part(part, whole, region)


@pytest.mark.slow
def test_regions_of_a_real_tower() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = open_clip.create_model('ViT-B-16-quickgelu', pretrained=None)
    tokenizer = open_clip.get_tokenizer('ViT-B-16-quickgelu')
    model = load_model((clip, tokenizer), device='cpu', precision='float32')
    settings = Settings(reduction=1.5, templates=('{}',))
    image = make_image(500, 1000)
    whole = segment(image, CLASSES, model=model, settings=settings)
    assert len(np.unique(whole.labels)) > 1
    for region in (
        Region(0, 0, 1, 1),
        Region(130, 777, 260, 901),
        Region(499, 3, 500, 1000),
    ):
        part = segment(
            image, CLASSES, model=model, settings=settings, region=region
        )
        assert_same_part(part, whole, region)


def test_a_region_runs_the_windows_that_it_needs(demo: Model) -> None:
    settings = Settings(detail=None, **SMALL)
    image = make_image(160, 160)
    segmenter = Segmenter(demo, settings)
    region = Region(40, 60, 50, 100)
    features = run_to_end(segmenter.encode(image, region))
    # Those from rows 16 to 48 and from columns 32 to 96.
    assert len(features.tokens) == 3 * 5
    plan = segmenter.plan(160, 160)
    assert count_windows(plan, (160, 160), region) == 15
    assert count_windows(plan, (160, 160)) == len(plan) == 81
    whole = run_to_end(segmenter.encode(image)).tokens.stack()
    lattice = whole.unflatten(0, (9, 9))[1:4, 2:7]
    assert torch.equal(features.tokens.stack(), lattice.flatten(0, 1))


def test_a_missing_token_would_be_seen(
    demo: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(detail=None, **SMALL)
    image = make_image(160, 160)
    region = Region(40, 60, 50, 100)
    whole = segment(image, CLASSES, model=demo, settings=settings)
    score = tiles.TokenScores.rows

    def forget(self: tiles.TokenScores, windows: range) -> torch.Tensor:
        values = score(self, windows).clone()
        values[:, 2] = 0
        return values

    monkeypatch.setattr(tiles.TokenScores, 'rows', forget)
    part = segment(
        image, CLASSES, model=demo, settings=settings, region=region
    )
    assert (part.confidence != whole.confidence[region.slices]).any()


def test_the_result_and_its_recipe_tell_the_region(demo: Model) -> None:
    settings = Settings(detail=None, **SMALL)
    image = make_image(64, 64)
    region = Region(0, 10, 5, 20)
    part = segment(
        image, CLASSES, model=demo, settings=settings, region=region
    )
    assert part.region == region
    assert part.recipe['image']['region'] == [0, 10, 5, 20]
    assert part.recipe['image']['size'] == [64, 64]
    assert part.recipe['image']['windows'] == 2
    everything = Region(0, 0, 64, 64)
    whole = segment(
        image, CLASSES, model=demo, settings=settings, region=everything
    )
    assert whole.region is None
    assert whole.recipe['image']['region'] is None


@pytest.mark.parametrize('region', [(0, 0, 65, 64), (0, 0, 64, 65)])
def test_a_region_beyond_the_image_is_refused(
    demo: Model, region: tuple[int, ...]
) -> None:
    with pytest.raises(InputError, match='the image has 64 x 64 pixels'):
        segment(
            make_image(64, 64), CLASSES, model=demo, region=Region(*region)
        )


@pytest.mark.parametrize(
    'region', [Region(390, 4, 420, 30), Region(0, 0, 20, 40)]
)
def test_a_refined_region_is_the_same_part_but_for_rounding(
    demo: Model, region: Region
) -> None:
    settings = Settings(detail=None, refine='fast', **SMALL)
    image = make_image(420, 40)
    whole = segment(image, CLASSES, model=demo, settings=settings)
    part = segment(
        image, CLASSES, model=demo, settings=settings, region=region
    )
    plan = Segmenter(demo, settings).plan(420, 40)
    run = part.recipe['image']['windows']
    assert run == count_windows(plan, (420, 40), region, 'fast')
    assert count_windows(plan, (420, 40), region) < run < len(plan)
    np.testing.assert_allclose(
        part.confidence, whole.confidence[region.slices], atol=5e-4
    )
    is_same = part.labels == whole.labels[region.slices]
    assert is_same.mean() > 0.999


def test_features_without_a_halo_are_refined_as_far_as_they_reach(
    demo: Model,
) -> None:
    image = make_image(420, 40)
    region = Region(200, 4, 220, 30)
    plain = Segmenter(demo, Settings(detail=None, **SMALL))
    features = run_to_end(plain.encode(image, region))
    unrefined = run_to_end(plain.classify(features, CLASSES))
    refining = Segmenter(demo, Settings(detail=None, refine='fast', **SMALL))
    part = run_to_end(refining.classify(features, CLASSES))
    assert part.labels.shape == region.size
    assert np.isfinite(part.confidence).all()
    assert (part.labels != unrefined.labels).any()
    whole = run_to_end(
        refining.classify(run_to_end(refining.encode(image)), CLASSES)
    )
    expected = whole.labels[region.slices]
    is_same = part.labels == expected
    assert is_same.mean() > (unrefined.labels == expected).mean()
