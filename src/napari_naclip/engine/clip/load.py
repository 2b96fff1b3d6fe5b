"""Build open_clip models and fill them with weights.

Every way in which open_clip can hand out a model that looks right and is not
(random weights, another activation, train mode, other pixel statistics) is
closed here.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch

from napari_naclip.engine.clip.build import (
    adapt_state,
    build_clip,
    make_tokenizer,
)
from napari_naclip.engine.clip.text import (
    TextTower,
    Tokenizer,
    clip_tokenizer,
    describe_tokenizer,
)
from napari_naclip.engine.clip.tower import ImageTower
from napari_naclip.engine.errors import ModelError, WeightsError
from napari_naclip.engine.weights import read_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def expand_token_embedding(
    state: Mapping[str, torch.Tensor], vocab_size: int
) -> dict[str, torch.Tensor]:
    """Return a state dict with a sparsely stored token embedding made whole.

    Parameters
    ----------
    state : mapping of str to Tensor
        Holds ``token_embedding.rows`` (K,) int64 and
        ``token_embedding.values`` (K, C), or a whole
        ``token_embedding.weight``, which is then kept as it is.
    vocab_size : int
        Rows of the whole table; rows that are not stored are zero.
    """
    state = dict(state)
    if 'token_embedding.rows' in state:
        rows = state.pop('token_embedding.rows')
        values = state.pop('token_embedding.values')
        table = values.new_zeros(vocab_size, values.shape[1])
        table[rows] = values
        state['token_embedding.weight'] = table
    return state


def load_config(
    model_cfg: Mapping[str, Any], path: Path, *, name: str
) -> tuple[torch.nn.Module, Tokenizer]:
    """Return a model of a configuration, filled from a file.

    Parameters
    ----------
    model_cfg : mapping
        In the form of open_clip's model configurations.
    path : Path
        The weights.
    name : str
        What the model is called if the file is not for it.

    Raises
    ------
    WeightsError
        If the file cannot be read or belongs to another model.
    """
    state = read_state(path)
    tokenizer = make_tokenizer(model_cfg)
    source = f'{path} is not for {name}'
    if not model_cfg['text_cfg'].get('hf_model_name'):
        # A configuration can ask for more memory than there is: whether the
        # file has so many weights is known without it.
        with torch.device('meta'):
            model = build_clip(model_cfg)
        _compare(model, adapt_state(model, state), source)
    model = build_clip(model_cfg)
    fill(model, adapt_state(model, state), source=source)
    return model, tokenizer


def load_demo(
    config: Mapping[str, Any], weights: bytes
) -> tuple[torch.nn.Module, Tokenizer]:
    """Return the bundled demo model and its tokenizer.

    Parameters
    ----------
    config : mapping
        With ``model_cfg`` in the form of open_clip.
    weights : bytes
        A safetensors file with a sparsely stored token embedding.
    """
    model_cfg = config['model_cfg']
    state = expand_token_embedding(
        safetensors.torch.load(weights), model_cfg['text_cfg']['vocab_size']
    )
    model = build_clip(model_cfg)
    fill(model, state, source='The demo weights do not fit')
    return model, clip_tokenizer()


def fill(
    model: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    *,
    source: str,
) -> None:
    """Put weights into a model, all of them and nothing else.

    Raises
    ------
    WeightsError
        If names or shapes differ; the text starts with `source`.
    """
    _compare(model, state, source)
    model.load_state_dict(state)


def _compare(
    model: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str
) -> None:
    """Raise ``WeightsError`` if a state dict is not for a model."""
    expected = model.state_dict()
    missing = [name for name in expected if name not in state]
    surplus = [name for name in state if name not in expected]
    reshaped = [
        name
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    problems = [
        f'{len(names)} {what} (such as {names[0]})'
        for names, what in (
            (missing, 'tensors are missing'),
            (surplus, 'tensors are unknown'),
            (reshaped, 'tensors have another shape'),
        )
        if names
    ]
    if problems:
        raise WeightsError(
            f'{source}: {", ".join(problems)}. Choose the model that the '
            'weights were made for, or another file.'
        )


def pixel_statistics(model: torch.nn.Module) -> _Statistics | None:
    """Return mean and std that open_clip left on a model, if it did."""
    visual = getattr(model, 'visual', None)
    config = getattr(visual, 'preprocess_cfg', None)
    if not config or 'mean' not in config or 'std' not in config:
        return None
    return tuple(config['mean']), tuple(config['std'])


def make_towers(
    model: torch.nn.Module,
    tokenizer: Tokenizer,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[ImageTower, TextTower]:
    """Return the image and the text tower of a model.

    The model itself stays as it is, in mode, place and precision.
    """
    visual = getattr(model, 'visual', None)
    if visual is None:
        raise ModelError(
            f'{type(model).__name__} has no image tower (visual). Pass a '
            'model of open_clip.'
        )
    tower = ImageTower(visual, device=device, dtype=dtype)
    return tower, TextTower(model, tokenizer, device=device)


#: What changes a module's result and is no weight.
_FACTS = (
    *('num_heads', 'head_dim', 'eps', 'stride', 'padding', 'approximate'),
    *('gate_last', 'rotate_half', 'num_prefix_tokens', 'no_embed_class'),
    *('global_pool', 'pool_type', 'final_ln_after_pool', 'eos_id', 'pad_id'),
    *('temperature', 'ref_feat_shape', 'grid_offset', 'grid_indexing'),
    # CLIP's own text half, and those of transformers.
    *('text_pool_type', 'text_eos_id', 'num_attention_heads', 'n_heads'),
    *('padding_idx', 'is_causal', 'is_decoder', 'cls_token_position'),
    'use_pooler_output',
)


def fingerprint(model: torch.nn.Module, tokenizer: Tokenizer) -> str:
    """Return a hash of a model: its weights, and how they are used.

    Of the weights names, types, shapes and values; of the modules their kinds
    and what no weight tells, such as the activation and the number of heads;
    of the tokenizer its words, or what it makes of a few texts.
    """
    digest = hashlib.sha256()
    for name, module in model.named_modules():
        facts = [getattr(module, each, None) for each in _FACTS]
        digest.update(f'{name} {type(module).__name__} {facts}'.encode())
        mask = getattr(module, 'attn_mask', None)
        if isinstance(mask, torch.Tensor):
            # No weight, and yet it says which tokens a token sees.
            digest.update(f'mask {(mask == 0).tolist()}'.encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    digest.update(describe_tokenizer(tokenizer).encode())
    return digest.hexdigest()
