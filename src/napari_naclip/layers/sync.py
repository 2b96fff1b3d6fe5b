"""Names and colors of a Labels layer, in step with the list of classes.

``apply_appearance`` takes them from the list to the layer; an
``AppearanceWatcher`` tells what a person changed on the layer itself. Both
compare with what stands there, so that neither answers the other.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from napari_naclip.engine.classes import BACKGROUND_VALUE
from napari_naclip.engine.colors import class_color, rgb_to_hex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_naclip.layers.labels import Result

#: Key of the recipe and the list of classes in a layer's metadata.
METADATA_KEY: Final = 'napari-naclip'
#: Key of the list of classes among those.
_LIST_KEY: Final = 'list'
#: Name of the value 0 where there is no background row.
UNLABELED: Final = 'unlabeled'
#: Color of values beyond the class list, so that they are seen.
_OTHER_COLOR: Final = '#ffffff'


class Row(Protocol):
    """What a row of any class list says of a label value."""

    @property
    def value(self) -> int:
        """Label value."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """What the model reads."""

    @property
    def color(self) -> str:
        """``#rrggbb``."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What a Labels layer shows of a label value; see ``Row``."""

    value: int
    name: str
    prompts: tuple[str, ...]
    color: str


def to_label_rows(rows: Iterable[Row]) -> dict[int, LabelRow]:
    """Return rows by label value."""
    return {
        row.value: LabelRow(row.value, row.name, tuple(row.prompts), row.color)
        for row in rows
    }


def make_features(rows: dict[int, LabelRow]) -> dict[str, list[Any]]:
    """Return the features table of rows; napari finds rows by ``index``."""
    table = [
        (value, rows[value].name, ', '.join(rows[value].prompts))
        for value in sorted(rows)
    ]
    if BACKGROUND_VALUE not in rows:
        table.insert(0, (BACKGROUND_VALUE, UNLABELED, ''))
    index, names, prompts = zip(*table, strict=True)
    return {
        'index': list(index),
        'class': list(names),
        'prompts': list(prompts),
    }


def make_colormap(rows: dict[int, LabelRow]) -> dict[int | None, Any]:
    """Return the colors of rows; 0 is never seen, unknown values always."""
    colors: dict[int | None, Any] = {
        value: row.color for value, row in rows.items()
    }
    return {**colors, None: _OTHER_COLOR, BACKGROUND_VALUE: 'transparent'}


def shown_colors(labels: Labels) -> dict[int, str]:
    """Return the colors, ``#rrggbb``, that a layer gives to its values.

    Empty while napari's automatic colors are on.
    """
    shown = getattr(labels.colormap, 'color_dict', {})
    return {
        int(value): rgb_to_hex(*(round(255 * float(c)) for c in color[:3]))
        for value, color in shown.items()
        if value is not None and value != BACKGROUND_VALUE
    }


def shown_names(labels: Labels) -> dict[int, str]:
    """Return the class names in a layer's features; not those left empty."""
    table = labels.features
    if not {'index', 'class'} <= set(table.columns):
        return {}
    names = {}
    for value, name in zip(table['index'], table['class'], strict=True):
        # A cell without text holds None or NaN.
        if isinstance(name, str) and name.strip() and value == value:
            names[int(value)] = name.strip()
    return names


def read_rows(labels: Labels) -> dict[int, LabelRow]:
    """Return the rows that a layer's features and colors tell of."""
    table, colors = labels.features, shown_colors(labels)
    prompts: dict[int, str] = {}
    if {'index', 'prompts'} <= set(table.columns):
        pairs = zip(table['index'], table['prompts'], strict=True)
        prompts = {int(v): text for v, text in pairs if isinstance(text, str)}
    rows = {}
    for value, name in shown_names(labels).items():
        words = prompts.get(value, '').split(',')
        if value == BACKGROUND_VALUE and name == UNLABELED:
            continue
        default = class_color(value) if value else '#000000'
        rows[value] = LabelRow(
            value=value,
            name=name,
            prompts=tuple(w.strip() for w in words if w.strip()),
            color=colors.get(value, default),
        )
    return rows


def apply_appearance(result: Result, rows: Iterable[Row]) -> None:
    """Show names, prompts and colors of rows on a result's layer.

    Values that the layer had before and that are in no row any more keep
    theirs: they may still have pixels. Columns that others put into the
    features stay. What is shown already is not set again, so that no event
    follows.
    """
    labels = result.labels
    result.rows.update(to_label_rows(rows))
    # Names before colors: a watcher looks at the names after both.
    _show_features(labels, make_features(result.rows))
    wanted = {v: row.color.lower() for v, row in result.rows.items() if v}
    if shown_colors(labels) != wanted:
        labels.colormap = make_colormap(result.rows)


def _show_features(labels: Labels, features: dict[str, list[Any]]) -> None:
    table = labels.features
    if all(
        key in table.columns and list(table[key]) == column
        for key, column in features.items()
    ):
        return
    if 'index' in table.columns:
        for key in set(table.columns) - set(features):
            cells = dict(zip(table['index'], table[key], strict=True))
            features[key] = [cells.get(v) for v in features['index']]
    labels.features = features


def store_list(labels: Labels, content: dict[str, Any]) -> None:
    """Keep a list of classes, as plain data, with a layer."""
    own = labels.metadata.get(METADATA_KEY, {})
    labels.metadata = {
        **labels.metadata,
        METADATA_KEY: {**own, _LIST_KEY: content},
    }


def store_recipe(labels: Labels, recipe: dict[str, Any]) -> None:
    """Keep how its content was made with a layer, beside the class list."""
    own = labels.metadata.get(METADATA_KEY, {})
    content = dict(recipe)
    if _LIST_KEY in own:
        content[_LIST_KEY] = own[_LIST_KEY]
    labels.metadata = {**labels.metadata, METADATA_KEY: content}


def rename_in_recipe(labels: Labels, classes: list[dict[str, Any]]) -> None:
    """Let a layer's recipe tell other names or colors of its classes."""
    own = labels.metadata.get(METADATA_KEY, {})
    if 'classes' in own:
        labels.metadata = {
            **labels.metadata,
            METADATA_KEY: {**own, 'classes': classes},
        }


def read_list(labels: Labels) -> dict[str, Any] | None:
    """Return the list of classes that a layer keeps; None if it has none."""
    own = labels.metadata.get(METADATA_KEY)
    content = own.get(_LIST_KEY) if isinstance(own, dict) else None
    return dict(content) if isinstance(content, dict) else None


class AppearanceWatcher:
    """Tells when a person renames or recolors a class on the layer itself.

    It stops when the layer leaves the viewer, and goes when nobody holds it;
    napari keeps it only weakly. napari's features table changes the features
    without an event, so that a name typed there is only noticed at the next
    event of the layer or by ``look``, which is to be called before names are
    read or shown.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    result : Result
    on_color : callable
        Bound method, held weakly; gets a label value and ``#rrggbb``.
    on_name : callable
        Likewise; gets a label value and the new name. It may call
        ``apply_appearance``, for example to refuse the name.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        result: Result,
        on_color: Callable[[int, str], object],
        on_name: Callable[[int, str], object],
    ) -> None:
        self._viewer = viewer
        self._result = result
        self._on_color = weakref.WeakMethod(on_color)
        self._on_name = weakref.WeakMethod(on_name)
        self._is_connected = True
        events = result.labels.events
        events.colormap.connect(self._look_at_colors)
        for emitter in (events.features, events.selected_label, events.mode):
            emitter.connect(self._look_at_names)
        viewer.layers.events.removed.connect(self._look_at_layers)

    @property
    def is_connected(self) -> bool:
        """Whether it still listens."""
        return self._is_connected

    def look(self) -> None:
        """Tell what has changed without an event."""
        self._look_at_colors()
        self._look_at_names()

    def disconnect(self) -> None:
        """Stop listening; again does nothing."""
        if not self._is_connected:
            return
        self._is_connected = False
        events = self._result.labels.events
        events.colormap.disconnect(self._look_at_colors)
        for emitter in (events.features, events.selected_label, events.mode):
            emitter.disconnect(self._look_at_names)
        self._viewer.layers.events.removed.disconnect(self._look_at_layers)

    def _look_at_layers(self, _event: object = None) -> None:
        if self._result.labels not in self._viewer.layers:
            self.disconnect()

    def _look_at_colors(self, _event: object = None) -> None:
        rows = self._result.rows
        for value, color in shown_colors(self._result.labels).items():
            row = rows.get(value)
            if row is None or row.color.lower() == color:
                continue
            rows[value] = replace(row, color=color)
            tell = self._on_color()
            if tell is not None:
                tell(value, color)

    def _look_at_names(self, _event: object = None) -> None:
        rows = self._result.rows
        for value, name in shown_names(self._result.labels).items():
            row = rows.get(value)
            if row is None or row.name == name:
                continue
            rows[value] = replace(row, name=name)
            tell = self._on_name()
            if tell is not None:
                tell(value, name)
