"""Build open_clip's models from configurations, without any weights.

Whatever a configuration says, nothing is downloaded here and no code of a
repository is run.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import open_clip
import torch
from open_clip.tokenizer import HFTokenizer

from napari_naclip.engine.clip.text import Tokenizer, clip_tokenizer
from napari_naclip.engine.clip.tower import find_vision
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.tokenizer_files import check_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_naclip.engine.clip.vision import Vision

#: The smallest text tower, where only the image tower is of interest.
_NO_TEXT: Final = {
    'context_length': 2,
    'vocab_size': 2,
    'width': 2,
    'heads': 1,
    'layers': 1,
}
#: The smallest image tower, where only the rest is of interest.
_NO_VISION: Final = {
    'image_size': 2,
    'patch_size': 2,
    'width': 2,
    'head_width': 2,
    'layers': 1,
}
#: What timm names its own models; with ':' or '/' a name is a place.
_PLAIN_NAME: Final = re.compile(r'[\w.-]+')
#: How a configuration may change CLIP's own tokenizer, and another one.
_OWN_OPTIONS: Final = frozenset({'clean'})
_OTHER_OPTIONS: Final = frozenset({'clean', 'strip_sep_token', 'language'})
#: Ways in which texts are made plain before they are cut into tokens.
_CLEANING: Final = ('lower', 'whitespace', 'canonicalize')
#: Tokens that CLIP's own tokenizer has.
_OWN_TOKENS: Final = 49408
#: Deeper towers do not exist; building them would not end.
_MOST_LAYERS: Final = 1000


def check_config(model_cfg: Mapping[str, Any], name: str) -> Vision:
    """Return the parts of a model's image tower, which has no weights yet.

    It is built without memory for them, so that what NACLIP cannot work on is
    known before anything is downloaded.

    Parameters
    ----------
    model_cfg : mapping
        In the form of open_clip's model configurations.
    name : str
        What the model is called.

    Raises
    ------
    ModelError
        If NACLIP cannot work on it, or it cannot be built.
    """
    for part in (model_cfg['vision_cfg'], model_cfg['text_cfg']):
        layers = part.get('layers')
        if isinstance(layers, int) and layers > _MOST_LAYERS:
            raise ModelError(
                f'The configuration of {name} has a tower of {layers} '
                'layers, which is a mistake in it. Choose another model.'
            )
    with _explained(f'The image tower of {name}'):
        visual = open_clip.model.CLIP(
            model_cfg['embed_dim'],
            _without_pretrained(model_cfg)['vision_cfg'],
            _NO_TEXT,
            quick_gelu=bool(model_cfg.get('quick_gelu')),
        ).visual
    vision = find_vision(visual)
    with _explained(f'The text tower of {name}'):
        rest = {**model_cfg, 'vision_cfg': _NO_VISION}
        text = model_cfg['text_cfg']
        if text.get('hf_model_name'):
            # Its files may not be here yet, but its settings are.
            rest['text_cfg'] = {**_NO_TEXT, **text, 'hf_model_name': None}
        _read_options(text)
        build_clip(rest)
    return vision


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Build without weights; say so if it cannot be done."""
    try:
        with torch.device('meta'):
            yield
    # A configuration of another version can fail in any of these ways.
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ModelError(
            f'{what} cannot be built ({_first_line(error)}). Update '
            'open_clip_torch and timm, or choose another model.'
        ) from error


def build_clip(model_cfg: Mapping[str, Any]) -> torch.nn.Module:
    """Return open_clip's model of a configuration, in evaluation mode.

    Parameters
    ----------
    model_cfg : mapping
        ``embed_dim``, ``vision_cfg``, ``text_cfg`` and perhaps ``quick_gelu``
        and ``custom_text``, in the form of open_clip's model configurations.
        The weights are random.

    Returns
    -------
    CLIP or CustomTextCLIP

    Raises
    ------
    NaclipError
        If the text tower needs files or a package that are not here. Its
        files are in a folder that ``text_cfg`` has as a ``Path``.
    """
    config = _without_pretrained(model_cfg)
    is_custom = bool(config.pop('custom_text', False))
    text = config['text_cfg']
    source = text.get('hf_model_name')
    if source:
        folder = _text_folder(source)
        _check_code(folder)
        config['text_cfg'] = {**text, 'hf_model_name': str(folder)}
        is_custom = True
    kind = (
        open_clip.model.CustomTextCLIP if is_custom else open_clip.model.CLIP
    )
    try:
        model: torch.nn.Module = kind(**config)
    except Exception as error:
        if not source:
            raise
        # What transformers makes of files and settings can fail in any way.
        raise ModelError(
            f'The text tower {source} cannot be built ({_first_line(error)}). '
            'Update transformers, or choose another model.'
        ) from error
    return model.eval()


def make_tokenizer(model_cfg: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer of a configuration: texts to (N, context) int64.

    Raises
    ------
    NaclipError
        If it needs files or a package that are not here. Its files are in a
        folder that ``text_cfg`` has as a ``Path``.
    """
    text = model_cfg['text_cfg']
    length, options = _read_options(text)
    source = text.get('hf_tokenizer_name')
    if not source:
        return clip_tokenizer(length, **options)
    folder = _text_folder(source)
    try:
        tokenizer: Tokenizer = HFTokenizer(
            str(folder),
            context_length=length,
            tokenizer_mode=text.get('tokenizer_mode'),
            local_files_only=True,
            trust_remote_code=False,
            **options,
        )
    except Exception as error:  # its files can be damaged in any way
        raise ModelError(
            f'The tokenizer {source} cannot be read ({_first_line(error)}). '
            'Download its files again, or choose another model.'
        ) from error
    return tokenizer


def _read_options(text: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the number of tokens of a text, and how they are cut.

    Parameters
    ----------
    text : mapping
        What a configuration says of words.

    Raises
    ------
    ModelError
        If it asks for what is not known, or cannot be.
    """
    length = text.get('context_length', 77)
    options = text.get('tokenizer_kwargs') or {}
    is_own = not text.get('hf_tokenizer_name')
    if not isinstance(options, dict):
        problem = f'options {options!r}'
    elif unknown := sorted(
        set(options) - (_OWN_OPTIONS if is_own else _OTHER_OPTIONS)
    ):
        problem = ', '.join(unknown)
    elif options.get('clean', _CLEANING[0]) not in _CLEANING:
        problem = f'clean {options["clean"]!r}'
    elif isinstance(length, bool) or not isinstance(length, int) or length < 2:
        problem = f'{length!r} tokens'
    elif is_own and text.get('vocab_size', _OWN_TOKENS) < _OWN_TOKENS:
        problem = f'{text["vocab_size"]} words'
    else:
        return length, dict(options)
    raise ModelError(
        f'The configuration of the model wants a tokenizer with {problem}, '
        'which this program does not know. Choose another model.'
    )


def adapt_state(
    model: torch.nn.Module, state: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return a state dict under the names that a model has now.

    Older files of open_clip, and Apple's own of MobileCLIP, name the same
    tensors otherwise.

    Parameters
    ----------
    model : CLIP or CustomTextCLIP
    state : mapping of str to Tensor
    """
    adapted = dict(state)
    if isinstance(model, open_clip.model.CustomTextCLIP):
        # A file that only looks like Apple's cannot be converted: what it
        # lacks is said when it is put into the model.
        with contextlib.suppress(AttributeError, LookupError, ValueError):
            adapted = open_clip.convert.convert_state_dict(model, adapted)
        adapted = open_clip.model.convert_to_custom_text_state_dict(adapted)
    expected = model.state_dict()
    for name in ('logit_scale', 'logit_bias'):
        found, wanted = adapted.get(name), expected.get(name)
        if found is not None and wanted is not None and found.numel() == 1:
            adapted[name] = found.reshape(wanted.shape)
    # A table of counted numbers that transformers no longer stores.
    counted = 'text.transformer.embeddings.position_ids'
    if counted not in expected:
        adapted.pop(counted, None)
    return adapted


def _without_pretrained(model_cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration by which nobody downloads parts of a model.

    Raises
    ------
    ModelError
        If it names a place to download from, instead of a kind of model.
    """
    config = dict(model_cfg)
    config['vision_cfg'] = {
        **model_cfg['vision_cfg'],
        'timm_model_pretrained': False,
    }
    trunk = config['vision_cfg'].get('timm_model_name')
    if trunk and not _PLAIN_NAME.fullmatch(str(trunk)):
        raise ModelError(
            f'The image tower of the configuration is to be {trunk!r}, which '
            'leads out of the package timm: to a place from which it would '
            'be downloaded. Choose another model.'
        )
    if 'text_cfg' in model_cfg:
        config['text_cfg'] = {
            **model_cfg['text_cfg'],
            'hf_model_pretrained': False,
        }
    return config


def _text_folder(source: str | Path) -> Path:
    """Return the folder with the files of a text tower or tokenizer."""
    check_package('The model', source)
    # Never a path that a configuration names: ``locate_text`` puts it there.
    if not isinstance(source, Path):
        raise ModelError(
            f'The files of {source}, which read words, were not looked for. '
            'Load the model by its name.'
        )
    return source


def _check_code(folder: Path) -> None:
    path = folder / 'config.json'
    try:
        config = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ModelError(
            f'The configuration {path.name} of the text tower cannot be read '
            f'({_first_line(error)}). Download its files again, or choose '
            'another model.'
        ) from error
    if 'auto_map' in config:
        raise ModelError(
            'The text tower brings code of its own, which is not run. Choose '
            'another model.'
        )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.split('\n')[0].rstrip('.')
