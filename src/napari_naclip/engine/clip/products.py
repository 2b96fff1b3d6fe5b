"""Products of tokens with weights, laid out for the processor where it helps.

torch multiplies float32 by MKL, which is slow on processors that are not
Intel's, and bfloat16 by oneDNN, which brings the weights into an order of its
own at every product. Laying them out for oneDNN once makes a window of
ViT-B/16 a tenth to a fifth faster. torch has the means, but promises no
interface for them (its compiler uses them): where they fail or give another
result, the plain product is used.
"""

from __future__ import annotations

import functools
from typing import Final

import torch
from torch.nn.functional import linear, silu

#: Rows that the order of the weights is chosen for: the tokens of two windows
#: of 14 x 14 patches. Other numbers give the same result.
_ROWS_HINT: Final = 394
#: Largest difference between a packed product and a plain one, relative to
#: its size.
_TOLERANCES: Final = {torch.float32: 1e-5, torch.bfloat16: 0.02}


class Product:
    """``x @ weight.T + bias`` with the tensors of a layer, held, not copied.

    Parameters
    ----------
    weight : (outputs, inputs) Parameter
        Empty while it is packed as it is, so that it is not there twice.
    bias : (outputs,) Parameter or None
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        self._weight = weight
        self._bias = bias
        self._packed: torch.Tensor | None = None
        self._packed_bias: torch.Tensor | None = bias
        self._activation = 'none'

    @property
    def dtype(self) -> torch.dtype:
        """What is multiplied."""
        return self._weight.dtype

    def pack(
        self,
        *,
        factor: float = 1.0,
        bias_factor: float = 1.0,
        activation: str = 'none',
    ) -> None:
        """Lay the weight out for oneDNN; it must be on the CPU.

        Parameters
        ----------
        factor, bias_factor : float
            What weight and bias are multiplied by. A weight that is
            multiplied is kept besides, to be given back as it was.
        activation : {'none', 'swish'}
            Applied to the product before it is rounded.
        """
        if self._packed is not None:
            return
        weight = self._weight.detach()
        if factor != 1:
            weight = (weight.float() * factor).to(weight.dtype)
        self._packed = torch.ops.mkldnn._reorder_linear_weight(
            weight, _ROWS_HINT
        )
        if self._bias is not None:
            bias = self._bias.detach()
            self._packed_bias = (bias.float() * bias_factor).to(bias.dtype)
        self._activation = activation
        if factor == 1:
            self._weight.data = self._weight.new_empty(0)

    def unpack(self) -> None:
        """Give the layer its weight back, bit for bit."""
        if self._packed is not None and self._weight.numel() == 0:
            self._weight.data = self._packed.to_dense()
        self._packed = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product of (..., inputs), (..., outputs)."""
        if self._packed is None:
            return linear(x, self._weight, self._bias)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._packed, self._packed_bias, self._activation, [], ''
        )
        return product


@functools.cache
def can_pack(dtype: torch.dtype) -> bool:
    """Return whether packed products in a dtype work and are right here."""
    if dtype not in _TOLERANCES:
        return False
    generator = torch.Generator().manual_seed(0)
    weight, bias, x = (
        torch.randn(size, generator=generator)
        for size in ((48, 32), (48,), (2, 5, 32))
    )
    product = Product(
        *(torch.nn.Parameter(each.to(dtype)) for each in (weight, bias))
    )
    try:
        with torch.inference_mode():
            product.pack(factor=2, activation='swish')
            fused = product(x.to(dtype)).float()
            product.unpack()
            product.pack()
            found = product(x.to(dtype)).float()
            product.unpack()
            is_back = torch.equal(product._weight, weight.to(dtype))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    plain = linear(x, weight, bias)
    pairs = ((found, plain), (fused, silu(linear(x, 2 * weight, bias))))
    return is_back and all(
        bool((one - other).norm() <= _TOLERANCES[dtype] * other.norm())
        for one, other in pairs
    )
