"""From scores to labels, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate, normalize

from napari_naclip.engine import tiles
from napari_naclip.engine.features import DictStore, Features, WindowTokens
from napari_naclip.engine.seen import SeenPicture
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import ClassList, Region
from napari_naclip.engine.windows import plan_windows
from tallies import class_probabilities, tally_maps

CLASSES = ClassList.from_text('background, wall; sky; tree, bush, leaf')


def make_features(
    size: tuple[int, int] = (50, 41), seen: tuple[int, int] = (24, 20)
) -> Features:
    generator = torch.Generator().manual_seed(0)
    plan = plan_windows(*seen, window=12, stride=5)
    tokens = torch.randn(len(plan), 3, 2, 8, generator=generator)
    picture = torch.randint(0, 256, (*seen, 3), generator=generator)
    kept = WindowTokens(
        len(plan),
        (3, 2, 8),
        torch.float32,
        DictStore(),
        lambda index: index.to_bytes(2, 'little'),
    )
    for index, window in enumerate(normalize(tokens, dim=-1)):
        kept.put(index, window)
    return Features(
        kept,
        plan,
        SeenPicture(picture.byte().numpy(), size, (0.5,) * 3, (0.25,) * 3),
        part=plan.part(size),
        region=Region(0, 0, *size),
    )


def make_queries(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return normalize(torch.randn(count, 8, generator=generator), dim=-1)


def plain_decision(
    cosines: np.ndarray,
    owners: list[int],
    values: list[int],
    scale: float,
    threshold: float,
) -> tuple[int, float, np.ndarray]:
    """Return label, confidence and probabilities of one pixel."""
    weights = np.exp(scale * (cosines - cosines.max()))
    weights /= weights.sum()
    best = np.zeros(len(values))
    for owner, weight in zip(owners, weights, strict=True):
        best[owner] = max(best[owner], weight)
    label = values[int(best.argmax())]
    if best.max() < threshold:
        label = 0
    shares = best / best.sum()
    return label, shares.max(), shares


@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.5])
@given(
    cosines=st.lists(
        st.integers(-1000, 1000), min_size=6, max_size=6, unique=True
    )
)
def test_the_decision_is_the_published_one(
    threshold: float, cosines: list[int]
) -> None:
    logits = np.array(cosines) / 10000
    label, confidence, shares = plain_decision(
        logits, [0, 0, 1, 2, 2, 2], [0, 1, 2], 40, threshold
    )
    cosines = torch.from_numpy(logits).float()[:, None, None]
    tally = tally_maps(cosines, CLASSES, scale=40)
    assert tally.labels(CLASSES, threshold).tolist() == [[label]]
    assert tally.confidence()[0, 0] == pytest.approx(confidence, abs=3e-4)
    probabilities = class_probabilities(cosines, tally, CLASSES, scale=40)
    np.testing.assert_allclose(probabilities[:, 0, 0], shares, atol=1e-5)


def label(
    cosines: torch.Tensor, classes: ClassList, threshold: float = 0
) -> np.ndarray:
    return tally_maps(cosines, classes, scale=40).labels(classes, threshold)


def test_the_threshold_comes_before_renormalizing() -> None:
    # Six equal queries: 1/6 each, but 1/3 a class once divided by the sum.
    labels = [
        label(torch.zeros(6, 1, 1), CLASSES, threshold).item()
        for threshold in (0.16, 0.17)
    ]
    assert labels == [0, 0]
    classes = ClassList.from_text('sky; tree', background='')
    cosines = torch.tensor([0.0, 0.01])[:, None, None]
    labels = [
        label(cosines, classes, threshold).item() for threshold in (0.59, 0.6)
    ]
    assert labels == [2, 0]  # sigmoid(0.4) = 0.599


def test_a_class_counts_by_its_best_synonym_not_their_sum() -> None:
    classes = ClassList.from_text('sky; tree, bush')
    cosines = torch.tensor([0.1, 0.09, 0.09])[:, None, None]
    assert label(cosines, classes).item() == 1


def test_labels_are_values_not_places() -> None:
    classes = ClassList.from_text('sky; tree', background='')
    labels = label(torch.tensor([[1.0, 0.0], [0.0, 1.0]])[:, None], classes)
    assert labels.tolist() == [[1, 2]]
    assert labels.dtype == np.uint8


def test_one_class_covers_everything() -> None:
    classes = ClassList.from_text('sky')
    tally = tally_maps(torch.full((1, 2, 2), -0.5), classes, scale=40)
    assert (tally.labels(classes, 0) == 1).all()
    assert (tally.confidence() == 1).all()


def test_any_sharpness_gives_finite_numbers() -> None:
    cosines = torch.tensor([-1.0, 1.0, 0.999])[:, None, None]
    for scale in (1e-3, 100, 1e5):
        tally = tally_maps(
            cosines, ClassList.from_text('a; b, c'), scale=scale
        )
        assert tally.owner.item() == 1
        assert np.isfinite(tally.confidence()).all()
        assert 0.5 <= tally.confidence().item() <= 1


def test_scores_lie_as_the_windows_do() -> None:
    features = make_features()
    queries = make_queries(4)
    plan = features.plan
    scores = TokenScores(features, queries).rows(range(len(plan.tops)))[:4]
    assert scores.shape == (4, 3 * len(plan.tops), 2 * len(plan.lefts))
    for index, (top, left) in enumerate(plan.corners):
        i, j = plan.tops.index(top), plan.lefts.index(left)
        place = scores[:, 3 * i : 3 * i + 3, 2 * j : 2 * j + 2]
        expected = torch.einsum(
            'yxd,qd->qyx', features.tokens.get(index), queries
        )
        torch.testing.assert_close(place, expected)


def test_maps_are_the_published_mean_resized() -> None:
    features = make_features()
    plan, queries = features.plan, make_queries(4)
    total = torch.zeros(4, plan.height, plan.width)
    count = torch.zeros(plan.height, plan.width)
    window = (plan.window_height, plan.window_width)
    for tokens, (top, left) in zip(
        features.tokens.stack(), plan.corners, strict=True
    ):
        grid = torch.einsum('yxd,qd->qyx', tokens, queries)[None]
        place = (
            slice(top, top + window[0]),
            slice(left, left + window[1]),
        )
        total[:, *place] += interpolate(grid, window, mode='bilinear')[0]
        count[place] += 1
    mean = (total / count)[None]
    expected = interpolate(mean, features.size, mode='bilinear')[0]
    scores = TokenScores(features, queries)
    maps = Projection(features).maps(scores, features.region)
    torch.testing.assert_close(maps, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize('size', [(24, 20), (50, 41), (24, 41), (11, 9)])
def test_the_guide_is_resized_bilinearly(size: tuple[int, int]) -> None:
    features = make_features(size)
    # In float32 torch rounds the coordinates as well.
    exact = features.seen.normalized(0, 0, 24, 20)[None].double()
    expected = interpolate(exact, size, mode='bilinear')[0].float()
    guide = features.seen.guide(features.region)
    torch.testing.assert_close(guide, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize('tile', [7, 16, 64])
def test_tiles_are_the_whole(
    tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = make_features()
    scores = TokenScores(features, make_queries(4))
    whole = Projection(features).maps(scores, features.region)
    monkeypatch.setattr(tiles, 'TILE', tile)
    projection = Projection(features)
    torch.testing.assert_close(
        projection.maps(scores, features.region), whole, atol=1e-6, rtol=0
    )
    area = Region(5, 11, 30, 41)
    assert torch.equal(
        projection.maps(scores, area),
        projection.maps(scores, features.region)[:, *area.slices],
    )


def test_the_guide_of_an_area_is_that_of_the_whole() -> None:
    features = make_features()
    area = Region(5, 11, 30, 41)
    assert torch.equal(
        features.seen.guide(area),
        features.seen.guide(features.region)[:, *area.slices],
    )


@given(order=st.permutations(range(40)), count=st.integers(1, 40))
def test_a_query_s_maps_do_not_depend_on_the_others(
    order: list[int], count: int
) -> None:
    features = make_features()
    queries = make_queries(40)
    projection = Projection(features)
    some, together = (
        projection.maps(TokenScores(features, each), features.region)
        for each in (queries[order[:count]], queries)
    )
    assert torch.equal(some, together[order[:count]])
