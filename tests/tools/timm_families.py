"""Small towers of timm, built as open_clip builds the large ones."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest import mock

import open_clip
import timm
import torch
from open_clip.timm_model import TimmModel

from napari_naclip.engine.clip.tower import ImageTower

CPU = torch.device('cpu')

#: What makes a family small; the rest of its structure stays.
SMALL = {'embed_dim': 48, 'depth': 3, 'num_heads': 3}
#: An architecture of each family, and what makes it small.
FAMILIES: dict[str, dict[str, Any]] = {
    'EVA01-g-14': SMALL | {'img_size': 56},
    'EVA02-B-16': SMALL | {'img_size': 64},
    'ViT-B-16-SigLIP': SMALL | {'img_size': 64},
    'ViT-SO400M-14-SigLIP2': SMALL | {'img_size': 56},
    'PE-Core-B-16': SMALL | {'img_size': 64},
    'PE-Core-bigG-14-448': SMALL | {'img_size': 56},
    # The convolutions of its stem end in this width.
    'MobileCLIP2-B': {'embed_dim': 768, 'depth': 2, 'img_size': 64},
    'MobileCLIP2-L-14': SMALL | {'img_size': 56},
    'vit_medium_patch16_gap_256': SMALL | {'img_size': 64},
    'BiomedCLIP': SMALL | {'img_size': 64},
}
#: As the model's configuration on the hub has it.
BIOMEDCLIP: dict[str, Any] = {
    'embed_dim': 512,
    'vision_cfg': {
        'timm_model_name': 'vit_base_patch16_224',
        'timm_model_pretrained': False,
        'timm_pool': '',
        'timm_proj': 'linear',
        'image_size': 224,
    },
}


def vision_config(arch: str) -> dict[str, Any]:
    if arch == 'BiomedCLIP':
        return BIOMEDCLIP
    config: dict[str, Any] = open_clip.get_model_config(arch)
    return config


def small_visual(arch: str, **changes: Any) -> TimmModel:
    """Return a small random tower of a family, with changes of its trunk."""
    vision = vision_config(arch)['vision_cfg']
    create = partial(timm.create_model, **FAMILIES[arch] | changes)
    with (
        mock.patch.object(timm, 'create_model', create),
        torch.random.fork_rng(),
    ):
        torch.manual_seed(0)
        visual = TimmModel(
            vision['timm_model_name'],
            embed_dim=16,
            pool=vision['timm_pool'],
            proj=vision.get('timm_proj', 'linear'),
            image_size=vision['image_size'],
        )
    disturb(visual)
    return visual.eval().requires_grad_(False)


def make_tower(
    visual: torch.nn.Module, dtype: torch.dtype = torch.float32
) -> ImageTower:
    return ImageTower(visual, device=CPU, dtype=dtype)


def random_pixels(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def disturb(module: torch.nn.Module) -> None:
    """Move weights away from zeros and ones, which hide what is unused."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            noise = 0.1 * torch.randn(tensor.shape, generator=generator)
            tensor.add_(noise.abs() if 'running_var' in name else noise)
