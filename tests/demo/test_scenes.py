"""Scenes, their regions and their captions: deterministic and as promised."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip.demo.captions import (
    JOINERS,
    OMISSION_SHARE,
    PREFIXES,
    choose_names,
    write_caption,
)
from napari_naclip.demo.layouts import MAX_REGIONS, MIN_SHARE, draw_regions
from napari_naclip.demo.materials import names_of
from napari_naclip.demo.scenes import (
    CLASS_SETS,
    DEMO_CLASSES,
    DEMO_MATERIALS,
    HELD_OUT,
    MATERIALS,
    NATURE8,
    SEEN8,
    TRAINING_MATERIALS,
    VOCABULARY,
    TexturePool,
    demo_scene,
    draw_scene,
)
from napari_naclip.engine.prompts import parse_classes

TEMPLATES = ('a painting of a {}.', 'the {} here')


@pytest.fixture(scope='module')
def pool() -> TexturePool:
    return TexturePool(seed=5, size=48, variants=2)


def test_vocabulary_has_the_promised_sets():
    assert len(MATERIALS) == len(set(MATERIALS)) == 64
    assert len(TRAINING_MATERIALS) == 56
    assert all(len(set(names)) == 8 for names in (NATURE8, SEEN8, HELD_OUT))
    assert set(SEEN8) <= set(TRAINING_MATERIALS)
    assert set(HELD_OUT) <= set(MATERIALS)
    assert not set(HELD_OUT) & set(TRAINING_MATERIALS)


def test_each_word_of_a_held_out_pair_is_trained_in_other_pairs():
    trained = {word for name in TRAINING_MATERIALS for word in name.split()}
    held_out = {word for name in HELD_OUT for word in name.split()}
    assert held_out <= trained


def test_no_name_belongs_to_two_materials():
    names = [name for each in MATERIALS for name in names_of(each)]
    assert len(names) == len(set(names))


def test_same_seeds_draw_the_same_scene_and_others_another():
    def draw(seed: int, pool_seed: int):
        pool = TexturePool(pool_seed, 40, variants=2)
        rng = np.random.default_rng(seed)
        return draw_scene(rng, pool, NATURE8, 32, 40)

    first, again = draw(1, 2), draw(1, 2)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.names == again.names
    assert not np.array_equal(first.image, draw(2, 2).image)
    # Another pool changes the textures and nothing else.
    other = draw(1, 3)
    np.testing.assert_array_equal(first.labels, other.labels)
    assert not np.array_equal(first.image, other.image)


def test_texture_does_not_depend_on_what_was_asked_for_before():
    one, two = TexturePool(4, 16), TexturePool(4, 16)
    two.texture('sand', 0)
    two.texture('dots', 1)
    np.testing.assert_array_equal(
        one.texture('dots', 3), two.texture('dots', 3)
    )


@pytest.mark.parametrize('name', MATERIALS)
def test_material_is_neither_black_nor_white_nor_flat(name, pool):
    rng = np.random.default_rng(3)
    image = draw_scene(rng, pool, [name], 48, 48, regions=(1, 1)).image
    assert 20 < image.mean() < 235
    assert image.std() > 1


@pytest.mark.parametrize('name', HELD_OUT)
def test_color_of_a_material_is_the_named_one(name, pool):
    rng = np.random.default_rng(8)
    color = name.split()[1] if name.startswith('plain') else name.split()[0]
    scenes = [
        draw_scene(rng, pool, [name], 48, 48, regions=(1, 1)).image
        for _ in range(8)
    ]
    red, green, blue = np.mean(scenes, axis=(0, 1, 2))
    highest = {
        'red': red > max(green, blue),
        'orange': red > green > blue,
        'yellow': min(red, green) > blue,
        'green': green > max(red, blue),
        'cyan': min(green, blue) > red,
        'blue': blue > max(red, green),
        'purple': min(red, blue) > green,
        'pink': red > blue > green,
    }
    assert highest[color]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(16, 70),
    width=st.integers(16, 70),
    count=st.integers(1, MAX_REGIONS),
)
def test_every_region_has_its_share(seed, height, width, count):
    regions = draw_regions(np.random.default_rng(seed), height, width, count)
    assert regions.shape == (height, width)
    shares = np.bincount(regions.ravel(), minlength=count) / regions.size
    assert len(shares) == count
    assert shares.min() >= MIN_SHARE


@pytest.mark.parametrize('seed', range(3))
def test_share_holds_where_every_attempt_fails(seed):
    # Of eight regions hardly any attempt gives each a tenth.
    regions = draw_regions(np.random.default_rng(seed), 64, 64, MAX_REGIONS)
    assert np.bincount(regions.ravel()).min() >= MIN_SHARE * 64 * 64


@pytest.mark.parametrize(
    ('height', 'width', 'count'),
    [(8, 8, 0), (8, 8, MAX_REGIONS + 1), (0, 8, 1), (1, 2, 3)],
)
def test_impossible_layouts_are_refused(height, width, count):
    with pytest.raises(ValueError, match=str(count)):
        draw_regions(np.random.default_rng(0), height, width, count)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(8, 130),
    width=st.integers(8, 130),
    low=st.integers(1, 3),
    more=st.integers(0, 3),
)
def test_scene_agrees_with_itself(pool, seed, height, width, low, more):
    scene = draw_scene(
        np.random.default_rng(seed),
        pool,
        SEEN8,
        height,
        width,
        regions=(low, low + more),
    )
    assert scene.image.shape == (height, width, 3)
    assert scene.image.dtype == scene.labels.dtype == np.uint8
    assert scene.labels.shape == (height, width)
    assert low <= len(scene.names) <= low + more
    found = {SEEN8[index] for index in np.unique(scene.labels)}
    assert found == set(scene.names)


def test_scene_of_fewer_materials_than_regions_uses_all_of_them(pool):
    rng = np.random.default_rng(0)
    scene = draw_scene(rng, pool, NATURE8[:2], 32, 32, regions=(4, 5))
    assert set(scene.names) == set(NATURE8[:2])


def test_scene_without_materials_is_refused(pool):
    with pytest.raises(ValueError, match='0 were given'):
        draw_scene(np.random.default_rng(0), pool, [], 32, 32)


def test_texture_smaller_than_the_scene_is_mirrored():
    pool = TexturePool(0, size=8, variants=1)
    piece = pool.draw(np.random.default_rng(1), 'stripes', 16, 8)
    np.testing.assert_array_equal(piece[:8], piece[8:][::-1])


@pytest.mark.parametrize('arguments', [(-1, 8, 1), (0, 0, 1), (0, 8, 0)])
def test_impossible_pools_are_refused(arguments):
    with pytest.raises(ValueError, match='texture pool'):
        TexturePool(*arguments)


def test_demo_scene_shows_its_classes_in_their_order():
    scene, text = demo_scene(height=112, width=160)
    assert text == DEMO_CLASSES
    classes = parse_classes(text)
    assert tuple(names[0] for names in classes) == DEMO_MATERIALS
    for names in classes:
        assert set(names) <= set(names_of(names[0]))
    assert set(np.unique(scene.labels)) == set(range(len(classes)))
    again, _ = demo_scene(height=112, width=160)
    np.testing.assert_array_equal(scene.image, again.image)


def test_demo_scene_has_the_promised_size():
    scene, _ = demo_scene()
    assert scene.image.shape == (448, 640, 3)
    assert len(scene.names) >= 4


def _read(caption: str) -> list[str]:
    """Return the materials that a caption names; fail on anything else."""
    frames = [f'{prefix}{{}}' for prefix in PREFIXES] + list(TEMPLATES)
    owners = {name: each for each in MATERIALS for name in names_of(each)}
    for frame in frames:
        start, end = frame.split('{}')
        inside = caption[len(start) : len(caption) - len(end)]
        if caption != start + inside + end:
            continue
        names = re.split('|'.join(map(re.escape, JOINERS)), inside)
        if all(name in owners for name in names):
            return [owners[name] for name in names]
    raise AssertionError(f'no caption: {caption!r}')


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    names=st.lists(
        st.sampled_from(MATERIALS), min_size=1, max_size=4, unique=True
    ),
)
def test_caption_names_what_it_was_given_in_that_order(seed, names):
    rng = np.random.default_rng(seed)
    assert _read(write_caption(rng, names, TEMPLATES)) == names


def test_captions_use_every_synonym_joiner_and_frame():
    rng = np.random.default_rng(0)
    captions = ' | '.join(
        write_caption(rng, ('water', 'red dots'), TEMPLATES)
        for _ in range(300)
    )
    for part in (*names_of('water'), *JOINERS, *PREFIXES):
        assert part in captions
    for template in TEMPLATES:
        assert template.split('{}')[0] in captions


def test_caption_without_templates_has_a_prefix_only():
    rng = np.random.default_rng(0)
    for _ in range(50):
        caption = write_caption(rng, ['plain red'])
        assert caption.removesuffix('plain red') in PREFIXES


def test_about_a_tenth_of_captions_leaves_one_material_out():
    rng = np.random.default_rng(0)
    scene = ('sand', 'road', 'plain red')
    chosen = [choose_names(rng, scene) for _ in range(2000)]
    assert all(set(names) <= set(scene) for names in chosen)
    assert {len(names) for names in chosen} == {2, 3}
    shorter = np.mean([len(names) == 2 for names in chosen])
    assert shorter == pytest.approx(OMISSION_SHARE, abs=0.03)
    assert {names[0] for names in chosen} == set(scene)


def test_single_material_is_always_named():
    rng = np.random.default_rng(0)
    assert {choose_names(rng, ['roof']) for _ in range(200)} == {('roof',)}


def test_vocabulary_is_the_words_of_all_names():
    words = {
        word
        for names in CLASS_SETS.values()
        for each in names
        for name in names_of(each)
        for word in name.split()
    }
    assert set(VOCABULARY) == words
    assert list(VOCABULARY) == sorted(VOCABULARY)
