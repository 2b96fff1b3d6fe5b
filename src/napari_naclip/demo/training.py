"""Train the demo model: scenes and captions in, one small checkpoint out.

Run as ``python -m napari_naclip.demo.training --seed 0 --steps 5000
--output model.safetensors``; a ``config.json`` is written beside it. Needs
no files and no network. The same seed on the same machine gives the same
weights; other machines round differently.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_naclip.demo.data import TrainingData, draw_training_data
from napari_naclip.demo.materials import VOCABULARY
from napari_naclip.demo.recipe import (
    Clip,
    DropRates,
    FrozenStart,
    contrastive_loss,
    embed_images,
    embed_texts,
    start_mimetic,
)
from napari_naclip.engine.clip.build import build_clip
from napari_naclip.engine.clip.text import clip_tokenizer
from napari_naclip.engine.templates import IMAGENET_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: CLIP's own normalization of RGB in [0, 1].
MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
STD: Final = (0.26862954, 0.26130258, 0.27577711)

#: Rows of CLIP's table of tokens.
VOCAB_SIZE: Final = 49408

CONTEXT_LENGTH: Final = 77


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything that decides what is trained.

    Attributes
    ----------
    seed : int
        Seed of scenes, captions, weights and order.
    steps : int
        Number of batches.
    scenes : int
        Pictures drawn beforehand.
    batch : int
        Pictures a step.
    image_size, patch_size : int
        In pixels.
    width, text_width, embed_dim : int
        Sizes of the vision tower, the text tower and the common space.
    layers, text_layers : int
        Blocks of the two towers.
    head_width : int
        Width of an attention head of the vision tower; the text tower has
        one head.
    learning_rate : float
        The highest, reached after `warm_up` steps; then a cosine to zero.
    warm_up : int
        Steps.
    weight_decay : float
        Of matrices; vectors have none.
    drop : DropRates
        What is left out.
    """

    seed: int = 0
    steps: int = 5000
    scenes: int = 50_000
    batch: int = 128
    image_size: int = 64
    patch_size: int = 8
    width: int = 128
    text_width: int = 64
    embed_dim: int = 128
    layers: int = 3
    text_layers: int = 2
    head_width: int = 64
    learning_rate: float = 1.5e-3
    warm_up: int = 100
    weight_decay: float = 0.05
    drop: DropRates = field(default_factory=DropRates)


def model_config(
    settings: TrainingSettings, vocab_size: int
) -> dict[str, Any]:
    """Return open_clip's configuration of the model.

    Parameters
    ----------
    settings : TrainingSettings
        Its sizes are used.
    vocab_size : int
        Rows of the table of tokens.
    """
    return {
        'embed_dim': settings.embed_dim,
        'vision_cfg': {
            'image_size': settings.image_size,
            'patch_size': settings.patch_size,
            'width': settings.width,
            'layers': settings.layers,
            'head_width': settings.head_width,
        },
        'text_cfg': {
            'context_length': CONTEXT_LENGTH,
            'vocab_size': vocab_size,
            'width': settings.text_width,
            'heads': 1,
            'layers': settings.text_layers,
        },
        'quick_gelu': True,
    }


def train(
    settings: TrainingSettings,
    data: TrainingData | None = None,
    report: Callable[[int, float], None] | None = None,
) -> dict[str, Tensor]:
    """Train a model.

    Parameters
    ----------
    settings : TrainingSettings
        What to train.
    data : TrainingData, optional
        Drawn from the settings when not given.
    report : callable, optional
        Called after each step with its number, from 1, and its loss.

    Returns
    -------
    dict of str to Tensor
        float32, with the table of tokens as ``token_embedding.rows`` (K,)
        int64 and ``token_embedding.values`` (K, C): all others are zero.
    """
    if data is None:
        data = draw_training_data(
            settings.seed,
            settings.scenes,
            settings.image_size,
            IMAGENET_TEMPLATES,
        )
    tokens = clip_tokenizer(CONTEXT_LENGTH)(list(data.captions))
    # Only tokens that occur are trained. Sorted, they keep their order, so
    # that the end of a text is still the highest of all.
    rows, compact = torch.unique(tokens, sorted=True, return_inverse=True)
    lengths = tokens.argmax(dim=-1) + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = build_clip(model_config(settings, len(rows)))
        model.train()
        _optimize(model, settings, data, compact, lengths, report)
    return _state_to_export(model, rows, int(lengths.max()))


def _optimize(
    model: Clip,
    settings: TrainingSettings,
    data: TrainingData,
    tokens: Tensor,
    lengths: Tensor,
    report: Callable[[int, float], None] | None,
) -> None:
    start_mimetic(model)
    frozen = FrozenStart(model)
    optimizer = _optimizer(model, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, settings)
    )
    for step in range(1, settings.steps + 1):
        chosen = torch.randint(len(tokens), (settings.batch,))
        texts = tokens[chosen, : int(lengths[chosen].max())]
        loss = contrastive_loss(
            embed_images(model, _augment(data.images[chosen]), settings.drop),
            embed_texts(model, texts),
            model.logit_scale.exp(),
            data.keys[chosen],
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        frozen.restore()
        with torch.no_grad():
            model.logit_scale.clamp_(0.0, math.log(100.0))
        if report is not None:
            report(step, loss.item())


def _optimizer(model: Clip, settings: TrainingSettings) -> torch.optim.AdamW:
    parameters = list(model.parameters())
    return torch.optim.AdamW(
        [
            {
                'params': [p for p in parameters if p.ndim >= 2],
                'weight_decay': settings.weight_decay,
            },
            {
                'params': [p for p in parameters if p.ndim < 2],
                'weight_decay': 0.0,
            },
        ],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
    )


def _rate(step: int, settings: TrainingSettings) -> float:
    """Return the learning rate of a step, from 0, as a share of the highest."""
    if step < settings.warm_up:
        return (step + 1) / settings.warm_up
    rest = max(settings.steps - settings.warm_up, 1)
    return 0.5 * (1.0 + math.cos(math.pi * (step - settings.warm_up) / rest))


def _augment(images: Tensor) -> Tensor:
    """Flip, change gain and offset, and normalize: uint8 to float32."""
    count = len(images)
    flips = torch.rand(2, count, 1, 1, 1) < 0.5
    x = images.float() / 255.0
    x = torch.where(flips[0], x.flip(-1), x)
    x = torch.where(flips[1], x.flip(-2), x)
    gain = 1.0 + 0.1 * torch.randn(count, 1, 1, 1)
    offset = 0.05 * torch.randn(count, 1, 1, 1)
    mean = torch.tensor(MEAN)[:, None, None]
    std = torch.tensor(STD)[:, None, None]
    return (x * gain + offset - mean) / std


def _state_to_export(
    model: Clip, rows: Tensor, longest: int
) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {
        name: value.detach().clone()
        for name, value in model.state_dict().items()
    }
    state['token_embedding.rows'] = rows
    state['token_embedding.values'] = state.pop('token_embedding.weight')
    # Positions behind the longest caption were never trained.
    state['positional_embedding'][longest:] = 0.0
    return state


def export(
    state: dict[str, Tensor], settings: TrainingSettings, output: Path
) -> None:
    """Write the weights, in float16, and ``config.json`` beside them.

    Parameters
    ----------
    state : dict of str to Tensor
        From `train`.
    settings : TrainingSettings
        What it was trained with.
    output : Path
        The safetensors file to write.
    """
    half = {
        name: value.half() if value.is_floating_point() else value
        for name, value in state.items()
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.contiguous() for name, value in half.items()}, output
    )
    config = {
        'model_cfg': model_config(settings, VOCAB_SIZE),
        'window': 112,
        'stride': 56,
        'mean': MEAN,
        'std': STD,
        'vocabulary': VOCABULARY,
        'training': {'seed': settings.seed, 'steps': settings.steps},
    }
    text = json.dumps(config, indent=2) + '\n'
    output.with_name('config.json').write_text(text, encoding='utf-8')


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line, on one thread."""
    defaults = TrainingSettings()
    parser = argparse.ArgumentParser(description='Train the demo model.')
    parser.add_argument('--seed', type=int, default=defaults.seed)
    parser.add_argument('--steps', type=int, default=defaults.steps)
    parser.add_argument('--scenes', type=int, default=defaults.scenes)
    parser.add_argument('--output', type=Path, required=True)
    options = parser.parse_args(arguments)
    # More threads bring little at this size and round differently.
    torch.set_num_threads(1)
    settings = TrainingSettings(
        seed=options.seed, steps=options.steps, scenes=options.scenes
    )
    losses: list[float] = []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step % 100 == 0 or step == settings.steps:
            mean = sum(losses) / len(losses)
            print(f'step {step} of {settings.steps}: loss {mean:.4f}')
            losses.clear()

    print(f'Drawing {settings.scenes} scenes.')
    export(train(settings, report=report), settings, options.output)
    print(f'Wrote {options.output}.')


if __name__ == '__main__':
    main()
