"""What works behind the parts of the panel that help to correct a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_naclip.ui.correct.edits import EditsFollower
from napari_naclip.ui.correct.finisher import Finisher
from napari_naclip.ui.correct.guide import Guide
from napari_naclip.ui.correct.guided import find_looked
from napari_naclip.ui.correct.restore import EditRestorer
from napari_naclip.ui.correct.why import Why

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_naclip.ui.director import RunDirector
    from napari_naclip.ui.list_sync import ListSync
    from napari_naclip.ui.live import LiveUpdater
    from napari_naclip.ui.sessions import Session
    from napari_naclip.ui.widget import SegmentationWidget


class Corrections(QObject):
    """Everything that follows the shown result of one panel.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    session : Session
    widget : SegmentationWidget
        Has the parts.
    live : LiveUpdater
    runs : RunDirector

    Attributes
    ----------
    why : Why
    guide : Guide
    finisher : Finisher
    edits : EditsFollower
    restorer : EditRestorer
    """

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        widget: SegmentationWidget,
        *,
        live: LiveUpdater,
        runs: RunDirector,
    ) -> None:
        super().__init__(widget)
        self.why = Why(
            viewer, widget.why, classes=widget.classes, live=live, parent=self
        )
        self.guide = Guide(
            viewer,
            widget.correct,
            classes=widget.classes,
            live=live,
            runs=runs,
            parent=self,
        )
        self.finisher = Finisher(
            viewer,
            session,
            widget.finish,
            classes=widget.classes,
            runs=runs,
            live=live,
            parent=self,
        )
        self.finisher.find_looked = lambda result, plane: find_looked(
            self.guide.places, result, plane
        )
        self.edits = EditsFollower(
            viewer,
            widget.correct.edits,
            live=live,
            classes=widget.classes,
            runs=runs,
            run_panel=widget.panel,
            parent=self,
        )
        self.restorer = EditRestorer(
            viewer, widget.restore_offer, widget.panel, self
        )
        self._saver = session.saver
        self._edits_panel = widget.correct.edits

    def open(self, sync: ListSync) -> None:
        """Begin to listen to the viewer.

        Parameters
        ----------
        sync : ListSync
            Knows whose list the class table shows.
        """
        self.why.open()
        self.finisher.open(sync)
        self.edits.open(sync)
        sync.followed.connect(self._saver.follow)
        self._saver.follow(sync.result)
        self._saver.told.connect(self._edits_panel.show_saved)
        self.restorer.open()

    def look(self) -> None:
        """Look soon whether something else is to be shown."""
        self.why.look()
        self.guide.look()
        self.finisher.look()

    def close(self) -> None:
        """Leave the viewer as it was, for a panel that was closed."""
        self.why.close()
        self.guide.close()
        self.finisher.close()
        self.edits.close()
        self.restorer.close()
        self._saver.told.disconnect(self._edits_panel.show_saved)
