"""Packed products give what plain ones give, or are not used."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear

from napari_naclip.engine.clip import tower
from napari_naclip.engine.clip.products import Product, can_pack


@pytest.fixture(autouse=True)
def asked_anew():
    """Forget whether products can be packed here."""
    can_pack.cache_clear()
    yield
    can_pack.cache_clear()


DTYPES = (torch.float32, torch.bfloat16)


def make_product(dtype: torch.dtype) -> tuple[Product, torch.Tensor]:
    torch.manual_seed(0)
    weight = torch.randn(40, 24).to(dtype)
    bias = torch.randn(40).to(dtype)
    parts = (torch.nn.Parameter(each) for each in (weight.clone(), bias))
    return Product(*parts), weight


@pytest.mark.parametrize('dtype', DTYPES)
def test_packed_products_differ_by_rounding_only(dtype: torch.dtype) -> None:
    if not can_pack(dtype):
        pytest.skip(f'torch cannot pack {dtype} products on this processor')
    product, weight = make_product(dtype)
    x = torch.randn(3, 7, 24).to(dtype)
    with torch.inference_mode():
        expected = product(x)
        product.pack()
        found = product(x)
        assert product._weight.numel() == 0
        product.unpack()
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected)
    assert torch.equal(product._weight, weight)


@pytest.mark.parametrize('dtype', DTYPES)
def test_a_tower_that_was_moved_away_sees_the_same(
    golden_clip: torch.nn.Module, dtype: torch.dtype
) -> None:
    cpu = torch.device('cpu')
    made = tower.ImageTower(golden_clip.visual, device=cpu, dtype=dtype)
    pixels = torch.randn(1, 3, 64, 64)
    before = made.tokens(pixels)
    made.to(cpu, torch.float32)
    made.to(cpu, dtype)
    assert torch.equal(made.tokens(pixels), before)


@pytest.mark.parametrize('failure', ['missing', 'wrong', 'lossy'])
def test_what_does_not_work_is_not_used(
    failure: str, golden_clip: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Product.__call__

    def multiply(self: Product, x: torch.Tensor) -> torch.Tensor:
        if self._packed is None:
            return real(self, x)
        if failure == 'missing':
            raise RuntimeError
        if failure == 'wrong':
            return torch.zeros(*x.shape[:-1], 48, dtype=x.dtype)
        self._packed = self._packed.to_dense() * 2
        return linear(x, self._packed / 2, self._bias)

    monkeypatch.setattr(Product, '__call__', multiply)
    for dtype in DTYPES:
        assert not can_pack(dtype)
        made = tower.ImageTower(
            golden_clip.visual, device=torch.device('cpu'), dtype=dtype
        )
        assert torch.isfinite(made.tokens(torch.randn(1, 3, 64, 64))).all()


def test_the_model_that_was_given_keeps_its_weights(
    golden_clip: torch.nn.Module,
) -> None:
    tower.ImageTower(
        golden_clip.visual, device=torch.device('cpu'), dtype=torch.float32
    )
    sizes = [each.numel() for each in golden_clip.visual.parameters()]
    assert all(sizes)
