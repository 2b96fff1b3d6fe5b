"""open_clip's transformer blocks, run in pieces.

Both towers need a block's parts: the text tower to run on fewer tokens than
the model's context, the image tower to change the last attention. The
residual stream and the normalizations stay in float32 whatever the dtype of
the weights; only the matrix products run in half precision.
"""

from __future__ import annotations

import torch
from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch.nn.functional import (
    layer_norm,
    linear,
    scaled_dot_product_attention,
)

from napari_naclip.engine.errors import ModelError


def check_blocks(blocks: torch.nn.ModuleList) -> list[ResidualAttentionBlock]:
    """Return the blocks if they are CLIP's plain pre-norm kind.

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
    return list(blocks)


def normalize(
    norm: torch.nn.Module, x: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """Return the layer norm of `x`, computed in float32, as `dtype`."""
    if isinstance(norm, torch.nn.LayerNorm):
        x = layer_norm(
            x, norm.normalized_shape, norm.weight, norm.bias, norm.eps
        )
    return x.to(dtype)


def project_heads(
    block: ResidualAttentionBlock, x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return query, key and value, each (B, heads, N, head_dim).

    Parameters
    ----------
    x : (B, N, C) float32 Tensor
        Input of the block.
    """
    attention = block.attn
    weight = attention.in_proj_weight
    h = normalize(block.ln_1, x, weight.dtype)
    heads = linear(h, weight, attention.in_proj_bias).unflatten(
        -1, (3, attention.num_heads, attention.head_dim)
    )
    query, key, value = heads.permute(2, 0, 3, 1, 4)
    return query, key, value


def merge_heads(
    block: ResidualAttentionBlock, heads: torch.Tensor
) -> torch.Tensor:
    """Return the attention's output (B, N, C) of its heads, in float32."""
    merged = heads.transpose(1, 2).flatten(2)
    projected: torch.Tensor = block.attn.out_proj(merged)
    return projected.float()


def add_mlp(block: ResidualAttentionBlock, x: torch.Tensor) -> torch.Tensor:
    """Return `x` (B, N, C) float32 with the block's MLP added."""
    weight = block.mlp.c_fc.weight
    h = block.mlp.c_fc(normalize(block.ln_2, x, weight.dtype))
    if isinstance(block.mlp.gelu, QuickGELU):
        h = h.mul_(torch.sigmoid(1.702 * h))
    else:
        h = block.mlp.gelu(h)
    scaled: torch.Tensor = block.ls_2(block.mlp.c_proj(h).float())
    return x + scaled


def run_block(
    block: ResidualAttentionBlock,
    x: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the block's output, as open_clip computes it.

    Parameters
    ----------
    x : (B, N, C) float32 Tensor
    mask : (N, N) Tensor, optional
        Added to the attention logits.
    """
    query, key, value = project_heads(block, x)
    if mask is not None:
        mask = mask.to(query.dtype)
    heads = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    x = x + block.ls_1(merge_heads(block, heads))
    return add_mlp(block, x)
