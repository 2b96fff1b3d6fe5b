"""What the panel of each viewer keeps while its dock is closed.

napari makes a new widget each time that the plugin is opened. Choices, class
list and results belong to the viewer instead, so that a dock that was closed
comes back as it was.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_naclip.ui.correct.autosave import AutoSaver
from napari_naclip.ui.kept_live import LiveBook
from napari_naclip.ui.results import ResultBook

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_naclip.engine.class_state import ListState


@dataclass(slots=True)
class Session:
    """What one viewer's panel keeps.

    Attributes
    ----------
    results : ResultBook
    lives : LiveBook
        Planes that can answer without a new run.
    saver : AutoSaver
        Saves edits, also while the dock is closed.
    classes : ListState or None
        None until a panel was closed.
    choices : dict
        Of the other parts, by the name of the part.
    is_pinned : bool
        Whether the image stayed when another became active.
    """

    results: ResultBook
    lives: LiveBook
    saver: AutoSaver
    classes: ListState | None = None
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_pinned: bool = False
    _image: weakref.ref[Image] | None = None

    @property
    def image(self) -> Image | None:
        """The image that the panel looked at, if it is still there."""
        return None if self._image is None else self._image()

    @image.setter
    def image(self, image: Image | None) -> None:
        # napari's proxies of a layer are made anew each time.
        layer = getattr(image, '__wrapped__', image)
        self._image = None if layer is None else weakref.ref(layer)


class Sessions:
    """The sessions of all viewers of the process; they go with the viewers."""

    def __init__(self) -> None:
        self._sessions: weakref.WeakKeyDictionary[ViewerModel, Session] = (
            weakref.WeakKeyDictionary()
        )

    def find(self, viewer: ViewerModel) -> Session:
        """Return a viewer's session; a new one where there is none.

        Parameters
        ----------
        viewer : napari.components.ViewerModel
            Or napari's proxy of it, which stands for the same viewer.
        """
        viewer = getattr(viewer, '__wrapped__', viewer)
        if viewer not in self._sessions:
            results = ResultBook()
            # It is held weakly.
            viewer.layers.events.removed.connect(results.forget_layer)
            self._sessions[viewer] = Session(
                results, LiveBook(viewer), AutoSaver(viewer)
            )
        return self._sessions[viewer]


#: The process's sessions.
SESSIONS = Sessions()
