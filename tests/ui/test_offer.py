"""The offer of weights that are missing, by mouse and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from hub_server import Hub, point_to, serving
from napari_naclip.engine import hub
from napari_naclip.engine.errors import WeightsMissingError
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.ui.offer import WeightsOffer

ENTRY = REGISTRY['ViT-B-16']
#: Milliseconds in which all that is asked must be answered.
SOON = 20_000


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, 'HF_ASSETS_CACHE', str(tmp_path / 'assets'))


@pytest.fixture
def offer(qtbot) -> WeightsOffer:
    """Return the offer in a window, beside another control."""
    window = QWidget()
    layout = QVBoxLayout(window)
    layout.addWidget(QPushButton('Run'))
    offer = WeightsOffer()
    layout.addWidget(offer)
    qtbot.addWidget(window)
    window.resize(250, 300)
    window.show()
    window.activateWindow()
    offer.window_of_test = window  # or Python would remove it
    return offer


def missing(present: int = 0) -> WeightsMissingError:
    return WeightsMissingError(
        'no weights', model=ENTRY.name, size=599_000_000, present=present
    )


def test_the_offer_says_size_license_and_place(offer: WeightsOffer) -> None:
    assert offer.isHidden()
    offer.show_for(missing())
    assert offer.isVisible()
    assert offer.download.text() == 'Download (599 MB) and run'
    assert 'license: MIT' in offer.note.text()
    assert str(hub.weights_folder()) in offer.note.text()
    assert 'sand, water' in offer.note.text()


def test_the_offer_resumes(offer: WeightsOffer) -> None:
    offer.show_for(missing(present=412_000_000))
    assert offer.download.text() == 'Resume (187 MB left) and run'
    assert '412 of 599 MB' in offer.download.toolTip()


@pytest.mark.parametrize('name', ['download', 'file', 'demo'])
def test_each_button_is_told_and_takes_the_offer_away(
    qtbot, press, offer: WeightsOffer, name: str
) -> None:
    offer.show_for(missing())
    with qtbot.waitSignal(getattr(offer, f'{name}_chosen')):
        press(getattr(offer, name))
    assert offer.isHidden()


def test_the_offer_takes_the_focus_and_keys(
    qtbot, offer: WeightsOffer
) -> None:
    offer.show_for(missing())
    assert offer.window().focusWidget() is offer.download
    for button in (offer.file, offer.demo):
        qtbot.keyClick(offer.window().focusWidget(), Qt.Key.Key_Tab)
        assert offer.window().focusWidget() is button
    with qtbot.waitSignal(offer.demo_chosen):
        qtbot.keyClick(offer.demo, Qt.Key.Key_Return)
    assert offer.isHidden()


def test_escape_takes_the_offer_away(qtbot, offer: WeightsOffer) -> None:
    offer.show_for(missing())
    with qtbot.waitSignal(offer.dismissed):
        qtbot.keyClick(offer.window().focusWidget(), Qt.Key.Key_Escape)
    assert offer.isHidden()


def test_the_offer_says_what_a_license_forbids(qtbot) -> None:
    offer = WeightsOffer()
    qtbot.addWidget(offer)
    for name, forbids in (('MetaCLIP-B-16', True), ('ViT-B-16', False)):
        offer.show_for(WeightsMissingError('no', model=name, size=1))
        assert ('forbids commercial use' in offer.note.text()) == forbids
        assert offer.accessibleDescription() == offer.note.text()
    offer.show_for(
        WeightsMissingError('no', model='hf-hub:somebody/a-model', size=0)
    )
    assert offer.download.text() == 'Download and run'
    assert 'see its page' in offer.note.text()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as server:
        point_to(monkeypatch, server.url)
        yield server


def test_the_hub_is_asked_for_the_size_when_that_is_wanted(
    qtbot, press, offer: WeightsOffer, server: Hub
) -> None:
    offer.show_for(missing())
    assert offer.ask.isHidden()
    name = 'hf-hub:somebody/a-model'
    offer.show_for(WeightsMissingError('no', model=name, size=0))
    assert offer.ask.isVisible()
    assert not server.requests
    press(offer.ask)  # the hub has no such model
    assert not offer.ask.isEnabled()
    assert offer.window().focusWidget() is offer.download
    qtbot.waitUntil(offer.ask.isEnabled, timeout=SOON)
    assert 'open_clip_pytorch_model.bin' in offer.note.text()
    assert 'see its page' in offer.note.text()
    server.others = {
        ('somebody/a-model', 'open_clip_model.safetensors'): bytes(5_000_000)
    }
    press(offer.ask)
    qtbot.waitUntil(offer.ask.isHidden, timeout=SOON)
    assert offer.download.text() == 'Download (5 MB) and run'


def test_an_answer_that_comes_too_late_is_not_shown(
    qtbot, press, offer: WeightsOffer, server: Hub
) -> None:
    name = 'hf-hub:somebody/a-model'
    offer.show_for(WeightsMissingError('no', model=name, size=0))
    press(offer.ask)
    qtbot.waitUntil(lambda: bool(server.requests), timeout=SOON)
    offer.show_for(missing())
    qtbot.wait(300)
    assert offer.download.text() == 'Download (599 MB) and run'
    assert 'a-model' not in offer.note.text()


def test_it_is_not_wider_than_a_narrow_dock(offer: WeightsOffer) -> None:
    for present in (0, 412_000_000):
        offer.show_for(missing(present))
        assert offer.minimumSizeHint().width() <= 230
