"""What the model's panel and the offer of weights say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_naclip.engine import registry
from napari_naclip.engine.typed_names import FORMS
from napari_naclip.ui.messages import (
    describe_parts,
    describe_size,
    shorten_home,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_naclip.engine.device import ComputeChoice
    from napari_naclip.engine.entry import RegistryEntry
    from napari_naclip.engine.guess import Guess

#: The entry of the list below which a name can be typed.
OTHER: Final = 'Other…'
#: What stands in the field for a name as long as it is empty.
TYPED_EXAMPLE: Final = 'hf-hub:organization/name'
TYPED_TIP: Final = (
    f'A model that is not in the list: {FORMS}. Enter takes it; nothing is '
    'downloaded before you agree.'
)
#: Where nothing is typed yet.
NOTHING_TYPED: Final = f'Write which model: {FORMS}.'
MODEL_TIP: Final = (
    'The CLIP model, by what it was made for, and whether its weights are on '
    'this machine. ViT-B-16 is the best choice for photographs; demo is a '
    'tiny one that comes along and knows few words.'
)
ACTIVATION_TIP: Final = (
    'A function inside the model that a file of weights does not tell. '
    'Automatic takes that of the chosen model. The wrong one makes results '
    'subtly worse.'
)
DEMO_ABOUT: Final = 'Made for drawn scenes. Comes along, CC0-1.0.'
AUTO_ABOUT: Final = (
    'Takes the model that a file of weights looks like. Choose the file below '
    '"Device, precision and weights".'
)
FILE_TIP: Final = (
    'A file of weights: safetensors, or a state dict that torch saved. What '
    'it looks like is told, and a model that fits is chosen.'
)
NO_FILES: Final = (
    'Choose a model first that takes other weights; the demo has its own.'
)
#: Where only the hub knows how large the weights are.
ASK_SIZE: Final = 'Ask how large it is'
ASKING_SIZE: Final = 'Asking how large it is…'
ASK_SIZE_TIP: Final = (
    'Asks the Hugging Face Hub for the size of the weights. Nothing is '
    'downloaded yet.'
)
#: Where a model runs, before one was loaded.
NOT_YET_CHOSEN: Final = 'Runs on: chosen at the first run.'


def describe_choice(choice: ComputeChoice) -> str:
    """Return where a model runs and why."""
    return f'Runs on: {choice}'


def describe_presence(size: int, *, is_here: bool, present: int = 0) -> str:
    """Return whether a model's weights are on this machine.

    Parameters
    ----------
    size : int
        Bytes of the weights; 0: not known.
    is_here : bool
    present : int
        Bytes that an unfinished download has left.
    """
    if is_here:
        return 'on this machine'
    if present:
        return f'{describe_parts(present, size)} downloaded'
    return f'{describe_size(size)} to download' if size else 'to download'


def describe_model_weights(presence: str, path: Path | None) -> str:
    """Return the line below a model: its own file, or what is here."""
    text = presence if path is None else path.name
    return text and f'Weights: {text}'


def describe_weights(path: Path | None) -> str:
    """Return which weights a model takes."""
    return path.name if path is not None else 'as published'


def describe_model(entry: RegistryEntry) -> str:
    """Return what a model was made for, its license, and what to know."""
    parts = []
    if entry.domain:
        parts.append(f'Made for {entry.domain}.')
    if entry.license:
        parts.append(f'License: {entry.terms}.')
    parts.append(entry.remarks)
    return ' '.join(part for part in parts if part)


def describe_download(size: int) -> str:
    """Return what the button says that starts a download.

    Parameters
    ----------
    size : int
        Bytes of the weights; 0: not known.
    """
    text = f' ({describe_size(size)})' if size else ''
    return f'Download{text} and run'


def describe_offer(entry: RegistryEntry, folder: Path) -> str:
    """Return what to know before weights are downloaded."""
    warning = ''
    if entry.forbids_commercial:
        warning = f'The license ({entry.license}) forbids commercial use. '
    license_name = entry.license or 'see its page there'
    return (
        f'{warning}The weights come from the Hugging Face Hub (license: '
        f'{license_name}) and are kept in {shorten_home(str(folder))}. '
        'The demo model needs no download, but it knows only drawn scenes: '
        'sand, water, grass, forest, road, and few words more.'
    )


def describe_look(
    path: Path, guess: Guess, before: str, after: str, *, fits: bool | None
) -> str:
    """Return what a file of weights looks like, and what was done about it.

    Parameters
    ----------
    path : Path
    guess : Guess
    before, after : str
        The models that were chosen before and after the look.
    fits : bool or None
        Whether the one after it is built so; None: that is not known.
    """
    text = f'{path.name} looks like {guess.text}'
    others = [name for name in guess.models if name != after]
    more = f' Built alike: {", ".join(others)}.' if others else ''
    if before != after:
        but = '' if before == registry.AUTO_NAME else f', not like {before}'
        text += f'{but}: {after} was chosen.{more}'
    elif fits:
        text += f', as {after} is.'
    elif fits is None and after != registry.AUTO_NAME:
        text += f'. How {after} is built is not known yet.{more}'
    elif not guess.models:
        text += '; no model of the list is built so.'
    else:
        text += f', not like {after}.{more}'
    if after == registry.AUTO_NAME:
        return f'{text} Write which model it is: {FORMS}.'
    return (
        f'{text} Activation, mean and std are a guess, those of {after}: no '
        'file tells them.'
    )


def describe_typed(name: str) -> str:
    """Return what is said of a name that was typed."""
    if name == registry.AUTO_NAME:
        return AUTO_ABOUT
    return describe_model(registry.find_model(name))
