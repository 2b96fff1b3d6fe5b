"""Labels layers to files and back, with names and colors of the classes.

What napari's own writer loses is kept in a file beside the labels, which ends
in ``.naclip``: names, colors, place and recipe, which pixels a person edited,
and what the model says of them (see ``correct.model_labels``). Only such files
are read here: a plugin that offered to read ``.png`` would make napari ask for
a reader at every picture. Layers come and go as napari's tuples of data,
attributes and type, so that this module needs no napari.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.correct.model_labels import (
    WRITTEN_KEY,
    ModelLabels,
    pack_edits,
    pack_mask,
    pack_notes,
    unpack_edits,
    unpack_mask,
    unpack_notes,
)
from napari_naclip.engine.colors import rgb_to_hex
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.outputs import is_on_disk, row_bands
from napari_naclip.io.atomic import write_together
from napari_naclip.io.labels import PALETTE_SIZE, dump_png, dump_tiff

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    LayerTuple = tuple[Any, dict[str, Any], str]

#: What the file beside the labels ends in.
SUFFIX: Final = '.naclip'
#: What it says it is.
FORMAT: Final = 'napari-naclip layer, version 1'
#: Key of the recipe and the list of classes in a layer's metadata.
_METADATA_KEY: Final = 'napari-naclip'
_TRANSFORM: Final = ('scale', 'translate', 'rotate', 'shear', 'affine')
#: Bytes of the largest file beside the labels that is written or read.
_MAX_BYTES: Final = 500_000_000


def write_layers(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write a Labels layer; the writer in the manifest.

    Parameters
    ----------
    path : str
        Ends in ``.png`` for a palette PNG, which gets a file of names and
        colors beside it, or in ``.naclip`` for that file, which gets a TIFF
        beside it.
    layers : list of tuple
        One Labels layer as data, attributes and type.

    Returns
    -------
    list of str
        The files that were written.

    Raises
    ------
    StorageError
        If there is more than one Labels layer, or a PNG has no room for it,
        or its edits are more than is read again, or a file cannot be
        written; then neither is. Never an ``InputError``: napari takes every
        ``ValueError`` of a writer for "no plugin found".
    """
    if len(layers) != 1 or layers[0][2] != 'labels':
        raise StorageError(
            f'{path} can hold one Labels layer only. Select that layer '
            'alone, or save without an ending, which makes a folder.'
        )
    data, attributes, _ = layers[0]
    if attributes.get('multiscale'):
        data = data[0]
    target = Path(path)
    is_png = target.suffix.lower() == '.png'
    if is_png:
        _check_png(target, data)
        sidecar = target.with_name(target.name + SUFFIX)
    else:
        sidecar, target = target, target.with_name(target.name + '.tif')
    started = time.monotonic()
    # Others are read in parts: together they may not fit into memory.
    labels = data if is_on_disk(data) else np.asarray(data)
    content = _describe(target, labels, attributes)
    text = json.dumps(content, indent=2, ensure_ascii=False) + '\n'
    encoded = text.encode('utf-8')
    if len(encoded) > _MAX_BYTES:
        raise StorageError(
            f'{sidecar} would hold {len(encoded):,} bytes of edits, and no '
            f'more than {_MAX_BYTES:,} are read again; nothing was written. '
            'Forget edits where they are not needed any more, or save the '
            'labels without them, as a TIFF.'
        )
    with write_together((sidecar, target), overwrite=True) as files:
        sidecar_file, label_file = files
        sidecar_file.write_bytes(encoded)
        if is_png:
            palette = _palette(attributes.get('colormap'))
            dump_png(label_file, target, labels, palette)
        else:
            dump_tiff(label_file, labels)
    model = attributes.get('metadata', {}).get(WRITTEN_KEY)
    if isinstance(model, ModelLabels):
        model.saved_at = started
    return [str(target), str(sidecar)]


def _check_png(path: Path, data: Any) -> None:
    advice = f'Save it as {path.stem}{SUFFIX}, or as a TIFF.'
    if len(data.shape) != 2:
        raise StorageError(
            f'{path} can hold one plane only, but the labels have '
            f'{len(data.shape)} axes. {advice}'
        )
    least = largest = 0
    for rows in row_bands(data):
        band = np.asarray(data[rows])
        least = min(least, int(band.min(initial=0)))
        largest = max(largest, int(band.max(initial=0)))
    if least < 0 or largest >= PALETTE_SIZE:
        value = least if least < 0 else largest
        raise StorageError(
            f'{path} cannot hold the label value {value}: a PNG has room for '
            f'0 to {PALETTE_SIZE - 1}. {advice}'
        )


def _palette(colormap: Any) -> npt.NDArray[np.uint8]:
    """Return the colors of the label values 0 to 255 as the layer shows them.

    What is transparent is black.
    """
    rgba = colormap.map(np.arange(PALETTE_SIZE, dtype=np.uint16))
    colors: npt.NDArray[np.uint8] = np.rint(
        255 * rgba[:, :3] * (rgba[:, 3:] > 0)
    ).astype(np.uint8)
    return colors


def _describe(
    target: Path, labels: Any, attributes: dict[str, Any]
) -> dict[str, Any]:
    """Return what the file beside the labels holds."""
    model = attributes.get('metadata', {}).get(WRITTEN_KEY)
    edits = accepted = under = None
    if isinstance(model, ModelLabels) and model.array.shape == labels.shape:
        edits = pack_edits(labels, model.array)
        if model.accepted is not None:
            accepted = pack_mask(model.accepted)
        if model.under is not None:
            under = pack_notes(model.under, model.array.dtype)
    return {
        'format': FORMAT,
        'labels': target.name,
        'shape': list(labels.shape),
        **describe_layer(attributes),
        # Null where it is not known what the model wrote.
        'edits': edits,
        # Null where nothing was said to be right.
        'accepted': accepted,
        # Null where the model says nothing else than it wrote.
        'under': under,
    }


def describe_layer(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return what a Labels layer is but for its labels, fit for JSON.

    Parameters
    ----------
    attributes : dict
        Of the layer, as in napari's tuples.
    """
    colors = {
        int(value): rgb_to_hex(*(round(255 * float(c)) for c in color[:3]))
        for value, color in getattr(
            attributes.get('colormap'), 'color_dict', {}
        ).items()
        if value
    }
    features = attributes.get('features')
    columns = set() if features is None else set(features.columns)
    classes = []
    if features is not None and {'index', 'class'} <= columns:
        prompts = features['prompts'] if 'prompts' in columns else ()
        texts = [*prompts, *[''] * (len(features) - len(prompts))]
        for value, name, text in zip(
            features['index'], features['class'], texts, strict=True
        ):
            if isinstance(name, str):
                classes.append(
                    {
                        'value': int(value),
                        'name': name,
                        'prompts': text if isinstance(text, str) else '',
                    }
                )
    own = attributes.get('metadata', {}).get(_METADATA_KEY)
    return {
        'name': attributes.get('name'),
        'classes': classes,
        'colors': {str(value): color for value, color in colors.items()},
        'transform': {
            name: np.asarray(attributes[name]).tolist()
            for name in _TRANSFORM
            if attributes.get(name) is not None
        },
        'units': [str(unit) for unit in attributes.get('units') or ()],
        'axis_labels': list(attributes.get('axis_labels') or ()),
        # Whatever a script may have put there, the rest is not lost for it.
        'metadata': json.loads(json.dumps(own, default=str)),
    }


def get_reader(
    path: str | list[str],
) -> Callable[[str], list[LayerTuple]] | None:
    """Return the function that reads a file; the reader in the manifest.

    None for everything but a file that ``write_layers`` wrote.
    """
    if not isinstance(path, str) or _load(Path(path)) is None:
        return None
    return read_layers


def read_layers(path: str | list[str]) -> list[LayerTuple]:
    """Return the Labels layer of a ``.naclip`` file.

    Raises
    ------
    InputError
        If the file, or the labels beside it, is not what was written.
    StorageError
        If the labels are not there.
    """
    sidecar = Path(path if isinstance(path, str) else path[0])
    content = _load(sidecar)
    if content is None:
        raise InputError(
            f'{sidecar} is no file that napari-naclip wrote. Choose another.'
        )
    # A name, never a path: the file may come from anybody.
    target = sidecar.with_name(Path(str(content.get('labels'))).name)
    try:
        labels = _read_labels(target, tuple(content['shape']))
        attributes = layer_attributes(content)
        if content.get('edits') is not None:
            written = unpack_edits(content['edits'], labels)
            accepted = content.get('accepted')
            if accepted is not None:
                accepted = unpack_mask(accepted, labels.shape)
            # Older files know of neither.
            under = content.get('under')
            if under is not None:
                under = unpack_notes(under, written)
            attributes.setdefault('metadata', {})[WRITTEN_KEY] = ModelLabels(
                written, accepted=accepted, under=under
            )
    except FileNotFoundError as error:
        raise StorageError(
            f'The labels {target} are missing. Put them beside {sidecar.name}.'
        ) from error
    except Exception as error:
        # Decoders raise anything.
        raise InputError(
            f'{sidecar} and {target.name} do not belong together or are '
            f'damaged: {error}. Save the layer again.'
        ) from error
    return [(labels, attributes, 'labels')]


def _load(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(content, dict) and content.get('format') == FORMAT
    return content if is_ours else None


def _read_labels(path: Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if path.suffix.lower() == '.png':
        from PIL import Image

        with Image.open(path) as image:
            return np.array(image).reshape(shape)
    import tifffile

    return np.array(tifffile.imread(path)).reshape(shape)


def layer_attributes(content: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a Labels layer that ``describe_layer`` told."""
    attributes: dict[str, Any] = {
        name: content[name]
        for name in ('name', 'units', 'axis_labels')
        if content.get(name)
    }
    for name in _TRANSFORM:
        if name in content['transform']:
            attributes[name] = np.asarray(content['transform'][name])
    classes = content['classes']
    if classes:
        attributes['features'] = {
            'index': [int(row['value']) for row in classes],
            'class': [str(row['name']) for row in classes],
            'prompts': [str(row['prompts']) for row in classes],
        }
    colors: dict[int | None, str] = {
        int(value): str(color) for value, color in content['colors'].items()
    }
    if colors:
        attributes['colormap'] = {**colors, None: '#ffffff', 0: 'transparent'}
    if isinstance(content.get('metadata'), dict):
        attributes['metadata'] = {_METADATA_KEY: content['metadata']}
    return attributes
