"""From any array to the picture that the model sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.pixels import (
    normalize,
    percentile_range,
    resize,
    to_rgb,
    value_range,
)

REAL_DTYPES = [
    'uint8',
    'uint16',
    'uint32',
    'uint64',
    'int8',
    'int16',
    'int32',
    'int64',
    'float16',
    'float32',
    'float64',
]
RAMP = np.array([[0, 50, 100]])


def grey(array: Any, **options: Any) -> list[float]:
    """Return the first row of a grey picture."""
    rgb = to_rgb(np.asarray(array), **options)
    assert rgb.dtype == np.float32
    assert (rgb == rgb[..., :1]).all()
    return rgb[0, :, 0].tolist()


@pytest.mark.parametrize('dtype', REAL_DTYPES)
def test_limits_map_every_real_dtype(dtype: str) -> None:
    image = RAMP.astype(dtype)
    assert grey(image, contrast_limits=(0, 100)) == [0, 127.5, 255]


@pytest.mark.parametrize('dtype', REAL_DTYPES[1:])
def test_the_default_limits_are_the_range(dtype: str) -> None:
    assert grey((RAMP + 20).astype(dtype)) == [0, 127.5, 255]


def test_uint8_keeps_its_values() -> None:
    assert grey(np.array([[7, 100, 130]], np.uint8)) == [7, 100, 130]


def test_bool_is_black_and_white() -> None:
    assert grey([[False, True]]) == [0, 255]


def test_signed_values_reach_below_zero() -> None:
    assert grey(np.array([[-100, 0, 100]], np.int16)) == [0, 127.5, 255]


def test_big_endian_is_read() -> None:
    assert grey(RAMP.astype('>u2')) == [0, 127.5, 255]


def test_values_beyond_the_limits_are_cut() -> None:
    assert grey(RAMP / 1.0, contrast_limits=(40, 60)) == [0, 127.5, 255]


def test_limits_hold_for_uint8_too() -> None:
    image = RAMP.astype(np.uint8)
    assert grey(image, contrast_limits=(0, 50)) == [0, 255, 255]


def test_gamma_is_an_exponent() -> None:
    assert grey([[0.0, 0.5, 1.0]], gamma=2) == [0, 63.75, 255]


def test_nan_and_infinity_have_a_place() -> None:
    image = np.array([[np.nan, 1, 3, np.inf, -np.inf]])
    assert grey(image) == [0, 0, 255, 255, 0]


def test_the_three_channels_share_their_limits() -> None:
    image = np.array([[[0, 1, 2], [4, 3, 2]]], np.float32)
    expected = np.array([[[0, 63.75, 127.5], [255, 191.25, 127.5]]])
    np.testing.assert_array_equal(to_rgb(image), expected)


@pytest.mark.parametrize(
    ('dtype', 'opaque'), [('uint8', 255), ('uint16', 65535), ('float32', 1)]
)
def test_alpha_lies_over_black(dtype: str, opaque: float) -> None:
    image = np.zeros((1, 3, 4), dtype)
    image[..., :3] = np.array([[200], [200], [100]], dtype)
    image[..., 3] = np.array([opaque, 0, opaque], dtype)
    rgb = to_rgb(image, contrast_limits=(0, 200))
    np.testing.assert_array_equal(rgb[0, :, 0], [255, 0, 127.5])


def test_alpha_does_not_count_for_the_range() -> None:
    image = np.ones((1, 2, 4), np.float32)
    image[0, :, :3] = [[0.2], [0.4]]
    np.testing.assert_allclose(to_rgb(image)[0, :, 0], [0, 255])


def test_the_image_is_not_changed() -> None:
    image = RAMP.astype(np.float32)
    to_rgb(image, contrast_limits=(0, 50), gamma=2)
    assert image.tolist() == RAMP.tolist()


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((0, 5)), '0 x 5 pixels'),
        (np.zeros((1, 1)), '1 x 1 pixels'),
        (np.zeros((1, 1, 3), np.uint8), '1 x 1 pixels'),
        (np.zeros(5), r'shape \(5,\)'),
        (np.zeros((5, 5, 2)), r'shape \(5, 5, 2\)'),
        (np.zeros((2, 5, 5, 3)), r'shape \(2, 5, 5, 3\)'),
        (np.zeros((4, 4), complex), 'complex128'),
        (np.array([[None, 1]], object), 'object'),
        (np.array([['a', 'b']]), 'dtype'),
        (np.full((4, 4), np.nan), 'only NaN or infinity'),
        (np.full((4, 4), np.inf), 'only NaN or infinity'),
        (np.full((4, 4), 7.0), 'constant: all its pixels have the value 7.0'),
        (np.full((4, 4), 7, np.uint16), 'constant'),
        (np.full((4, 4), 7, np.uint8), 'constant'),
        (np.ones((4, 4), bool), 'constant'),
        (np.full((4, 4, 3), 7, np.uint8), 'constant'),
        (np.array([[3.0, np.nan]]), 'Every finite value of the image is 3'),
    ],
)
def test_an_unusable_image_gets_one_sentence(
    image: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        to_rgb(image)


def test_the_value_range_is_that_of_finite_color_values() -> None:
    values = np.array([[-3.5, np.nan, 7], [np.inf, 2, -np.inf]])
    assert value_range(values) == (-3.5, 7)
    color = np.zeros((2, 2, 4), np.uint16)
    color[0, 0, :3] = 9
    color[..., 3] = 60000
    assert value_range(color) == (0, 9)
    assert value_range(np.array([[False, True]])) == (0, 1)
    # Not 255: what uint8 may hold is no range of values.
    assert value_range(np.array([[3, 4]], np.uint8)) == (3, 4)


@pytest.mark.parametrize('dtype', REAL_DTYPES)
def test_percentiles_of_every_real_dtype(dtype: str) -> None:
    image = np.arange(101).reshape(1, 101).astype(dtype)
    assert percentile_range(image, 10, 90) == pytest.approx((10, 90))


def test_outliers_are_beyond_the_percentiles() -> None:
    image = np.arange(10000, dtype=np.float32).reshape(100, 100)
    image[0, 0], image[0, 1], image[0, 2] = -1e9, np.nan, np.inf
    low, high = percentile_range(image)
    assert low == pytest.approx(52, abs=2)
    assert high == pytest.approx(9949, abs=2)


def test_percentiles_of_large_half_precision_values() -> None:
    image = np.linspace(-60000, 60000, 1000).reshape(10, 100)
    low, high = percentile_range(image.astype(np.float16), 0, 100)
    assert (low, high) == pytest.approx((-60000, 60000), rel=1e-3)


def test_equal_percentiles_give_way_to_the_range() -> None:
    image = np.zeros((100, 100))
    image[0, 0] = 8
    assert percentile_range(image) == (0, 8)


@pytest.mark.parametrize('limits', [value_range, percentile_range])
@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.full((4, 4), 7.0), 'constant'),
        (np.array([[3.0, np.nan, np.inf]]), 'Every finite value .* is 3'),
        (np.full((2, 2), np.nan), 'no finite value'),
        (np.ones((2, 2), complex), 'dtype complex'),
        (np.ones(3), 'shape'),
    ],
)
def test_no_limits_for_an_image_of_one_value(
    limits: Any, image: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        limits(image)


@pytest.mark.parametrize('pair', [(5, 5), (60, 40), (-1, 50), (0, 101)])
def test_percentiles_out_of_order_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(InputError, match='from 0 to 100'):
        percentile_range(RAMP, *pair)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_a_composed_picture_stays(dtype: Any) -> None:
    picture = random_picture(4, 5).astype(dtype)
    limits = (0, 255)
    np.testing.assert_allclose(
        to_rgb(picture, contrast_limits=limits), picture, rtol=1e-6
    )


def random_picture(height: int, width: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.uniform(0, 255, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize('resampling', ['auto', 'published'])
@pytest.mark.parametrize('size', [(5, 9), (7, 12), (20, 30), (13, 31)])
def test_resizing_is_bilinear(resampling: str, size: tuple[int, int]) -> None:
    picture = random_picture(10, 18)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None]
    plain = interpolate(
        tensor, size, mode='bilinear', align_corners=False, antialias=False
    )[0]
    expected = (plain + 0.5).permute(1, 2, 0).numpy().astype(np.uint8)
    np.testing.assert_array_equal(resize(picture, size, resampling), expected)


def test_a_strong_reduction_is_averaged_by_area() -> None:
    picture = random_picture(12, 18)
    blocks = picture.reshape(4, 3, 6, 3, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(
        resize(picture, (4, 6), 'auto'), (blocks + 0.5).astype(np.uint8)
    )


def test_a_strong_reduction_as_published_is_bilinear() -> None:
    picture = random_picture(12, 18)
    # Every third pixel: the middle of each block is all that is looked at.
    np.testing.assert_array_equal(
        resize(picture, (4, 6), 'published'),
        (picture[1::3, 1::3] + 0.5).astype(np.uint8),
    )


def test_values_are_rounded() -> None:
    picture = np.array([[0, 0.49, 0.5, 254.5, 255]], np.float32)
    picture = np.repeat(picture[..., None], 3, axis=2)
    seen = resize(picture, (1, 5), 'auto')
    assert seen[0, :, 0].tolist() == [0, 0, 1, 255, 255]


def test_normalizing_uses_the_published_numbers() -> None:
    picture = np.full((1, 1, 3), 200, np.uint8)
    result = normalize(
        picture,
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    )
    expected = (200 - np.array([122.771, 116.746, 104.094])) / [
        68.501,
        66.632,
        70.323,
    ]
    assert result.shape == (3, 1, 1)
    np.testing.assert_allclose(result[:, 0, 0], expected, rtol=1e-6)
