"""Products of tokens with weights, laid out for the processor where it helps.

oneDNN, which multiplies bfloat16 on a CPU, brings weights into an order of
its own at every product. Doing that once is worth about a tenth of the time.
torch has the means, but promises no interface for them (its compiler uses
them): where they fail or give another result, the plain product is used.
"""

from __future__ import annotations

import functools

import torch
from torch.nn.functional import linear

#: Rows that the order of the weights is chosen for: the tokens of two windows
#: of 14 x 14 patches. Other numbers give the same result.
_ROWS_HINT = 394
#: Largest relative difference between a packed product and a plain one.
_TOLERANCE = 0.02


class Product:
    """``x @ weight.T + bias`` with the tensors of a layer, held, not copied.

    Parameters
    ----------
    weight : (outputs, inputs) Tensor
    bias : (outputs,) Tensor
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        self._weight = weight
        self._bias = bias

    @property
    def dtype(self) -> torch.dtype:
        """What is multiplied."""
        return self._weight.dtype

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product of (..., inputs), (..., outputs)."""
        return linear(x, self._weight, self._bias)


class PackedProduct:
    """The same with a copy of the weights in oneDNN's own order, on the CPU.

    Parameters
    ----------
    weight : (outputs, inputs) Tensor
    bias : (outputs,) Tensor
    dtype : torch.dtype
        Of the copies.
    activation : {'none', 'swish'}
        What is applied to the product before it is rounded.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        dtype: torch.dtype,
        activation: str = 'none',
    ) -> None:
        self.dtype = dtype
        self._weight = torch.ops.mkldnn._reorder_linear_weight(
            weight.detach().to(dtype), _ROWS_HINT
        )
        self._bias = bias.detach().to(dtype)
        self._activation = activation

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product of (..., inputs), (..., outputs)."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, self._activation, [], ''
        )
        return product


@functools.cache
def can_pack(dtype: torch.dtype) -> bool:
    """Return whether packed products in a dtype work and are right here."""
    generator = torch.Generator().manual_seed(0)
    weight, bias, x = (
        torch.randn(size, generator=generator)
        for size in ((48, 32), (48,), (2, 5, 32))
    )
    try:
        with torch.inference_mode():
            found = [
                PackedProduct(weight, bias, dtype, activation)(x.to(dtype))
                for activation in ('none', 'swish')
            ]
    except (AttributeError, RuntimeError, TypeError):
        return False
    plain = linear(x, weight, bias)
    expected = [plain, torch.nn.functional.silu(plain)]
    return all(
        bool((one.float() - other).norm() <= _TOLERANCE * other.norm())
        for one, other in zip(found, expected, strict=True)
    )
