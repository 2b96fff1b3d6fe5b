"""The two steps of a segmentation: same labels, progress, plain errors."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_naclip.engine import tiles
from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.errors import (
    InputError,
    OutOfMemoryError,
    WeightsError,
)
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.models import Model
from napari_naclip.engine.resize import Resizing
from napari_naclip.engine.segment import iter_segment, segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Progress, Settings

#: 32 px windows at the picture's own size: 3 x 4 of them.
SETTINGS = Settings(detail=None, templates=('{}', 'a {}'))
CLASSES = ClassList.from_text('sky; tree, bush; water')


@pytest.fixture
def image() -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (64, 72, 3), np.uint8)


def test_the_same_labels_twice(tiny_model: Model, image: np.ndarray) -> None:
    one = segment(image, CLASSES, model=tiny_model, settings=SETTINGS)
    two = segment(image, CLASSES, model=tiny_model, settings=SETTINGS)
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.confidence, two.confidence)
    assert one.recipe == two.recipe


def test_the_result_has_the_image_s_size(
    tiny_model: Model, image: np.ndarray
) -> None:
    result = segment(image, 'sky; tree', model=tiny_model)
    assert result.labels.shape == result.confidence.shape == (64, 72)
    assert result.labels.dtype == np.uint8
    assert result.confidence.dtype == np.float16
    assert set(np.unique(result.labels)) <= {1, 2}
    assert result.confidence.min() >= 0.5
    assert result.confidence.max() <= 1
    assert result.notices == ()


def test_features_answer_for_other_classes_as_a_new_run_does(
    tiny_model: Model, image: np.ndarray
) -> None:
    segmenter = Segmenter(tiny_model, SETTINGS)
    features = run_to_end(segmenter.encode(image))
    run_to_end(segmenter.classify(features, CLASSES))
    later = run_to_end(
        segmenter.classify(features, ClassList.from_text('road; sea'))
    )
    fresh = segment(image, 'road; sea', model=tiny_model, settings=SETTINGS)
    np.testing.assert_array_equal(later.labels, fresh.labels)


def test_what_was_kept_is_told_row_by_row(
    tiny_model: Model, image: np.ndarray
) -> None:
    """In a large image reading the pixels of those windows takes minutes."""
    store = DictStore()
    tall = np.concatenate([image] * 6)
    run_to_end(Segmenter(tiny_model, SETTINGS, store).encode(tall))
    live = Segmenter(tiny_model, SETTINGS, store).open(tall)
    told = [
        each
        for each in live.answer(CLASSES)
        if isinstance(each, Progress) and each.stage == 'windows'
    ]
    assert len(told) > 2
    assert [each.done for each in told] == sorted({e.done for e in told})
    assert told[-1].done == told[-1].total
    assert all(each.found == each.done for each in told)


def test_windows_in_batches_are_windows_one_by_one(
    tiny_model: Model, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(tiny_model, SETTINGS)
    together = run_to_end(segmenter.encode(image)).tokens.stack()
    monkeypatch.setattr(Encoder, '_batch_size', lambda self, plan: 1)
    alone = run_to_end(segmenter.encode(image)).tokens.stack()
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)


@pytest.mark.parametrize('refine', ['off', 'fast'])
def test_bands_and_tiles_change_no_label(
    tiny_model: Model,
    image: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    refine: Any,
) -> None:
    settings = Settings(detail=None, templates=('{}',), refine=refine)
    whole = segment(image, CLASSES, model=tiny_model, settings=settings)
    monkeypatch.setattr(tiles, 'TILE', 24)
    bands = segment(image, CLASSES, model=tiny_model, settings=settings)
    np.testing.assert_array_equal(whole.labels, bands.labels)
    # A float16 step: what differs by a bit may be rounded the other way.
    np.testing.assert_allclose(whole.confidence, bands.confidence, atol=5e-4)


def test_progress_counts_texts_windows_and_steps(
    tiny_model: Model, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoder, '_batch_size', lambda self, plan: 5)
    seen: list[Progress] = []
    settings = Settings(detail=None, templates=('{}', 'a {}'), refine='fast')
    segment(
        image,
        CLASSES,
        model=tiny_model,
        settings=settings,
        progress=seen.append,
    )
    stages = list(dict.fromkeys(item.stage for item in seen))
    assert stages == ['text', 'windows', 'refine']
    counts = {
        stage: [(p.done, p.total) for p in seen if p.stage == stage]
        for stage in stages
    }
    assert counts['text'] == [(done, 8) for done in (0, 2, 4, 6, 8)]
    assert counts['windows'] == [(0, 12), (5, 12), (10, 12), (12, 12)]
    shares = [done / total for done, total in counts['refine']]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(set(shares)) > 3


def test_closing_between_batches_leaves_nothing_running(
    tiny_model: Model, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoder, '_batch_size', lambda self, plan: 1)
    batches = []
    encode = Encoder._tokens

    def count(self: Encoder, batch: torch.Tensor) -> torch.Tensor:
        batches.append(len(batch))
        return encode(self, batch)

    monkeypatch.setattr(Encoder, '_tokens', count)
    steps = iter_segment(image, CLASSES, model=tiny_model, settings=SETTINGS)
    for progress in steps:
        if (progress.stage, progress.done) == ('windows', 3):
            break
    steps.close()
    # The fourth may have begun, and is waited for.
    assert batches in ([1] * 3, [1] * 4)
    assert not any(
        each.name.startswith('napari-naclip tower')
        for each in threading.enumerate()
    )
    with pytest.raises(StopIteration):
        next(steps)


def test_what_a_report_raises_ends_the_run(
    tiny_model: Model, image: np.ndarray
) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment(image, CLASSES, model=tiny_model, progress=stop)


def test_one_class_without_background_is_told(
    tiny_model: Model, image: np.ndarray
) -> None:
    result = segment(image, 'sky', model=tiny_model, settings=SETTINGS)
    assert (result.labels == 1).all()
    [notice] = result.notices
    assert "'sky' is the only class" in notice


def test_one_class_with_background_is_normal(
    tiny_model: Model, image: np.ndarray
) -> None:
    result = segment(
        image, 'background; sky', model=tiny_model, settings=SETTINGS
    )
    assert result.notices == ()


def test_a_threshold_without_background_is_refused(
    tiny_model: Model, image: np.ndarray
) -> None:
    settings = Settings(threshold=0.1)
    with pytest.raises(InputError, match='needs a background row'):
        segment(image, CLASSES, model=tiny_model, settings=settings)


def test_pixels_below_the_threshold_are_background(
    tiny_model: Model, image: np.ndarray
) -> None:
    classes = ClassList.from_text('sky; tree', background='')
    settings = Settings(detail=None, templates=('{}',), threshold=1.0)
    result = segment(image, classes, model=tiny_model, settings=settings)
    assert (result.labels == 0).all()


@pytest.mark.parametrize('shape', [(500, 1), (1, 500), (2, 3000)])
def test_an_image_thinner_than_a_patch_gets_one_sentence(
    tiny_model: Model, shape: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).random(shape)
    with pytest.raises(InputError, match='less than one patch of 8 x 8'):
        segment(image, CLASSES, model=tiny_model)


def test_a_window_smaller_than_a_patch_gets_one_sentence(
    tiny_model: Model, image: np.ndarray
) -> None:
    settings = Settings(detail=None, window=7)
    with pytest.raises(InputError, match='windows of 7 x 7'):
        segment(image, CLASSES, model=tiny_model, settings=settings)


def test_a_stride_beyond_the_model_s_window_is_refused(
    tiny_model: Model, image: np.ndarray
) -> None:
    with pytest.raises(InputError, match='stride 40 is larger than'):
        segment(image, CLASSES, model=tiny_model, settings=Settings(stride=40))


def test_a_picture_that_no_memory_holds_gets_one_sentence(
    tiny_model: Model, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(reduction=1e-6)
    with pytest.raises(InputError, match='seen at 64000000 x 72000000'):
        segment(image, CLASSES, model=tiny_model, settings=settings)

    def make(*_: object) -> np.ndarray:
        # The true error of what cannot be allocated.
        return np.empty(2**60, np.uint8)

    monkeypatch.setattr(Resizing, 'make', make)
    with pytest.raises(OutOfMemoryError, match='see the image at 64 x 72'):
        segment(image, CLASSES, model=tiny_model, settings=SETTINGS)


def test_two_pixels_are_enough(tiny_model: Model) -> None:
    image = np.array([[0, 255]], np.uint8)
    result = segment(image, CLASSES, model=tiny_model)
    assert result.labels.shape == (1, 2)


def test_windows_follow_the_settings(tiny_model: Model) -> None:
    def corners(**options: Any) -> tuple[tuple[int, ...], int]:
        settings = Settings(detail=None, **options)
        plan = Segmenter(tiny_model, settings).plan(64, 64)
        return plan.tops, plan.window_height

    assert corners() == ((0, 16, 32), 32)
    assert corners(stride=32) == ((0, 32), 32)
    assert corners(window=48) == ((0, 16), 48)
    assert corners(window=0) == ((0,), 64)


def test_the_recipe_is_plain_data_without_a_path(
    tiny_model: Model, image: np.ndarray
) -> None:
    result = segment(image, CLASSES, model=tiny_model, settings=SETTINGS)
    text = json.dumps(result.recipe, allow_nan=False)
    recipe = json.loads(text)
    assert recipe['image'] == {
        'size': [64, 72],
        'region': None,
        'seen_at': [64, 72],
        'window': [32, 32],
        'windows': 12,
        'area_averaged': False,
    }
    assert recipe['model']['precision'] == 'float32'
    assert recipe['model']['weights_sha256'] == tiny_model.fingerprint
    assert recipe['classes'][1]['prompts'] == ['tree', 'bush']
    assert recipe['settings']['strategy'] == 'naclip'
    assert set(recipe['versions']) >= {'python', 'torch', 'open_clip_torch'}
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text


def test_the_recipe_says_that_the_picture_was_averaged(
    tiny_model: Model,
) -> None:
    image = np.random.default_rng(0).random((90, 90))
    for resampling, averaged in [('auto', True), ('published', False)]:
        settings = Settings(
            detail=40,
            templates=('{}',),
            resampling=resampling,  # type: ignore[arg-type]
        )
        result = segment(image, CLASSES, model=tiny_model, settings=settings)
        assert result.recipe['image']['area_averaged'] == averaged


@pytest.mark.parametrize('half', ['visual', 'text'])
def test_damaged_weights_get_one_sentence(
    tiny_model: Model, image: np.ndarray, half: str
) -> None:
    if half == 'visual':
        tiny_model.tower._visual.proj.data[0, 0] = torch.nan
    else:
        tiny_model.text._model.text_projection.data[0, 0] = torch.nan
    with pytest.raises(WeightsError, match='weights are damaged'):
        segment(image, CLASSES, model=tiny_model, settings=SETTINGS)


def test_a_model_in_memory_is_not_changed(
    tiny_clip: torch.nn.Module, tiny_model: Model, image: np.ndarray
) -> None:
    before = {k: v.clone() for k, v in tiny_clip.state_dict().items()}
    segment(image, CLASSES, model=tiny_model, settings=SETTINGS)
    for name, tensor in tiny_clip.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(each.requires_grad for each in tiny_clip.parameters())
