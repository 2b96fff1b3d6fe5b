"""open_clip's transformer blocks, run in pieces.

Both towers need a block's parts: the text tower to run on fewer tokens than
the model's context, the image tower to change the last attention. The
residual stream and the normalizations stay in float32 whatever the dtype of
the weights; only the matrix products run in half precision.
"""

from __future__ import annotations

import torch
from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from napari_naclip.engine.clip.products import Product
from napari_naclip.engine.errors import ModelError

#: QuickGELU is h * sigmoid(1.702 h).
_QUICK_FACTOR = 1.702


def wrap_blocks(blocks: torch.nn.ModuleList) -> list[Block]:
    """Return the blocks, to be run in pieces, if they are CLIP's plain kind.

    Raises
    ------
    ModelError
        If a block has anything else, such as normalized or scaled heads.
    """
    for block in blocks:
        if type(block) is not ResidualAttentionBlock or hasattr(
            block, 'ln_1_kv'
        ):
            raise ModelError(
                f'The model has blocks of the kind {type(block).__name__}, '
                "which are not CLIP's plain transformer blocks. Choose one "
                'of the models that "napari-naclip models" lists.'
            )
    return [Block(block) for block in blocks]


def normalize(
    norm: torch.nn.Module, x: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """Return the layer norm of `x`, computed in float32, as `dtype`."""
    if isinstance(norm, torch.nn.LayerNorm):
        x = layer_norm(
            x, norm.normalized_shape, norm.weight, norm.bias, norm.eps
        )
    return x.to(dtype)


class Block:
    """One of open_clip's blocks, whose parts can be run one by one.

    Parameters
    ----------
    block : ResidualAttentionBlock
        Held, not copied.
    """

    def __init__(self, block: ResidualAttentionBlock) -> None:
        self._block = block
        attention, mlp = block.attn, block.mlp
        self._project = Product(
            attention.in_proj_weight, attention.in_proj_bias
        )
        self._merge = Product(
            attention.out_proj.weight, attention.out_proj.bias
        )
        self._expand = Product(mlp.c_fc.weight, mlp.c_fc.bias)
        self._contract = Product(mlp.c_proj.weight, mlp.c_proj.bias)
        self._activate = mlp.gelu
        if isinstance(mlp.gelu, QuickGELU):
            self._activate = _in_place_quick_gelu

    @property
    def _products(self) -> tuple[Product, ...]:
        return self._project, self._merge, self._expand, self._contract

    def pack(self) -> None:
        """Lay the weights out for this CPU; the block gives them up."""
        if self._fuses:
            # h sigmoid(f h) = silu(f h) / f: the silu goes into the product,
            # and no pass over its large result is left.
            self._expand.pack(
                factor=_QUICK_FACTOR,
                bias_factor=_QUICK_FACTOR,
                activation='swish',
            )
            self._contract.pack(factor=1 / _QUICK_FACTOR)
            self._activate = torch.nn.Identity()
        for product in self._products:
            product.pack()

    @property
    def _fuses(self) -> bool:
        # In float32 the gain is smaller than what keeping weights costs.
        is_quick = isinstance(self._block.mlp.gelu, QuickGELU)
        return is_quick and self._expand.dtype == torch.bfloat16

    def unpack(self) -> None:
        """Give the block its weights back, bit for bit."""
        for product in self._products:
            product.unpack()
        if isinstance(self._block.mlp.gelu, QuickGELU):
            self._activate = _in_place_quick_gelu

    def to(self, dtype: torch.dtype) -> None:
        """Give the weights of the matrix products, and no others, a dtype.

        They must not be packed.
        """
        self._block.attn.to(dtype)
        self._block.mlp.to(dtype)

    def project_heads(
        self, x: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return query, key and value, each (B, heads, N, head_dim).

        Parameters
        ----------
        x : (B, N, C) float32 Tensor
            Input of the block.
        """
        attention = self._block.attn
        h = normalize(self._block.ln_1, x, self._project.dtype)
        heads = self._project(h).unflatten(
            -1, (3, attention.num_heads, attention.head_dim)
        )
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        return query, key, value

    def merge_heads(self, heads: torch.Tensor) -> torch.Tensor:
        """Return the attention's output (B, N, C) of its heads, float32."""
        merged = self._merge(heads.transpose(1, 2).flatten(2)).float()
        scaled: torch.Tensor = self._block.ls_1(merged)
        return scaled

    def add_attended(
        self, x: torch.Tensor, attended: torch.Tensor
    ) -> torch.Tensor:
        """Return `x` with the attention's output added, both (B, N, C)."""
        return x + attended

    def add_mlp(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (B, N, C) float32 with the block's MLP added."""
        h = normalize(self._block.ln_2, x, self._expand.dtype)
        h = self._contract(self._activate(self._expand(h)))
        scaled: torch.Tensor = self._block.ls_2(h.float())
        return x + scaled

    def run(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        heads: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the block's output, as open_clip computes it.

        Parameters
        ----------
        x : (B, N, C) float32 Tensor
        mask : (N, N) Tensor, optional
            Added to the attention logits.
        heads : tuple of Tensor, optional
            ``project_heads(x)``, where that is there already.
        """
        query, key, value = self.project_heads(x) if heads is None else heads
        if mask is not None:
            mask = mask.to(query.dtype)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.add_attended(x, self.merge_heads(mixed))
        return self.add_mlp(x)


def _in_place_quick_gelu(h: torch.Tensor) -> torch.Tensor:
    return h.mul_(torch.sigmoid(_QUICK_FACTOR * h))
