"""The model's panel and the offer of weights, by mouse and keys."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QStyleOptionViewItem,
)

from napari_naclip.engine import hub
from napari_naclip.engine.device import ComputeChoice
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.registry import MODEL_NAMES, REGISTRY
from napari_naclip.ui.compute import ModelRequest
from napari_naclip.ui.model_panel import ModelPanel
from napari_naclip.ui.preferences import Preferences

ENTRY = REGISTRY['ViT-B-16']

pytestmark = pytest.mark.usefixtures('empty_hub')


@pytest.fixture
def panel(qtbot) -> ModelPanel:
    """Return a panel as a dock shows it."""
    panel = ModelPanel()
    qtbot.addWidget(panel)
    panel.resize(250, 400)
    panel.show()
    return panel


def leave_part(present: int, size: int) -> None:
    target = hub.weights_path(ENTRY)
    target.parent.mkdir(parents=True)
    hub.beside(target, '.part').write_bytes(bytes(present))
    hub.beside(target, '.part.json').write_text(
        json.dumps({'etag': 'a', 'size': size})
    )


def presences(panel: ModelPanel) -> list[str]:
    """Return what a screen reader says of the list's entries."""
    role = Qt.ItemDataRole.AccessibleTextRole
    box = panel.model
    entries = [i for i in range(box.count()) if box.itemData(i)]
    assert [box.itemData(i) for i in entries] == list(MODEL_NAMES)
    return [box.itemData(i, role) for i in entries]


def choose(qtbot, combo, value: str) -> None:
    """Choose an entry with the keyboard."""
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(combo.count()):
        if combo.currentData() == value:
            break
        qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert combo.currentData() == value


# What is here


def test_the_models_say_whether_they_are_here(
    qtbot, panel: ModelPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: object) -> None:
        raise AssertionError('the network was used')

    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    qtbot.waitUntil(lambda: panel.presence.text() != '')
    assert presences(panel)[0] == 'ViT-B-16, 598 MB to download'
    assert presences(panel)[-1] == 'demo, included'
    assert panel.presence.text() == 'Weights: 598 MB to download'
    leave_part(2_000_000, 5_000_000)
    panel.refresh()
    assert presences(panel)[0] == 'ViT-B-16, 2 of 5 MB downloaded'
    hub.weights_path(ENTRY).write_bytes(b'weights')
    panel.refresh()
    assert presences(panel)[0] == 'ViT-B-16, on this machine'
    assert presences(panel)[1] == 'ViT-B-32, 605 MB to download'
    assert panel.presence.text() == 'Weights: on this machine'
    choose(qtbot, panel.model, 'demo')
    assert panel.presence.text() == 'Weights: included'


def test_the_open_list_shows_it_too(panel: ModelPanel) -> None:
    panel.refresh()
    option = QStyleOptionViewItem()
    index = panel.model.model().index(panel.model.findData('ViT-B-16'), 0)
    panel.model.itemDelegate().initStyleOption(option, index)
    assert option.text == 'ViT-B-16 (598 MB to download)'
    assert panel.model.currentText() == 'ViT-B-16'
    panel.model.showPopup()
    view = panel.model.view()
    assert view.viewport().width() >= view.sizeHintForColumn(0)
    panel.model.hidePopup()


def test_looking_needs_neither_torch_nor_the_network() -> None:
    code = (
        'import os; os.environ["QT_QPA_PLATFORM"] = "offscreen"\n'
        'import socket, sys\n'
        'socket.socket.connect = socket.getaddrinfo = None\n'
        'from qtpy.QtWidgets import QApplication\n'
        'from napari_naclip.ui.model_panel import ModelPanel\n'
        'app = QApplication([]); panel = ModelPanel(); panel.refresh()\n'
        'assert "torch" not in sys.modules\n'
        'panel.choose_model("demo"); print(panel.presence.text())\n'
    )
    child = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.stdout.strip() == 'Weights: included', child.stderr


# Choosing


def test_the_request_is_what_is_chosen(qtbot, panel: ModelPanel) -> None:
    assert panel.model_request() == ModelRequest('ViT-B-16')
    qtbot.mouseClick(panel.more, Qt.MouseButton.LeftButton)
    for combo, value in (
        (panel.model, 'ViT-L-14'),
        (panel.device, 'cpu'),
        (panel.precision, 'float32'),
    ):
        with qtbot.waitSignal(panel.changed):
            choose(qtbot, combo, value)
    request = panel.model_request(may_download=True)
    assert request == ModelRequest('ViT-L-14', None, 'cpu', 'float32')
    assert request.may_download


def test_what_is_rarely_changed_is_folded(qtbot, panel: ModelPanel) -> None:
    assert not panel.device.isVisible()
    qtbot.mouseClick(panel.more, Qt.MouseButton.LeftButton)
    assert panel.device.isVisible()
    assert panel.weights.browse.isVisible()
    qtbot.keyClick(panel.more, Qt.Key.Key_Space)
    assert not panel.device.isVisible()


def test_preferences_are_what_is_chosen_first(qtbot) -> None:
    panel = ModelPanel(
        preferences=Preferences('demo', 'cpu', 'bfloat16', None, 2)
    )
    qtbot.addWidget(panel)
    assert panel.model_request() == ModelRequest(
        'demo', None, 'cpu', 'bfloat16'
    )


def test_a_model_that_is_not_there_is_refused(panel: ModelPanel) -> None:
    with pytest.raises(ModelError, match='no model'):
        panel.choose_model('ViT-X')


def test_a_file_is_kept_for_its_model(
    qtbot,
    press,
    panel: ModelPanel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / 'mine.safetensors'
    monkeypatch.setattr(
        QFileDialog, 'getOpenFileName', lambda *a, **k: (str(path), '')
    )
    press(panel.more)
    assert panel.weights.file.text() == 'as published'
    assert not panel.weights.clear.isEnabled()
    with qtbot.waitSignal(panel.changed):
        press(panel.weights.browse)
    assert panel.weights.file.text() == 'mine.safetensors'
    assert panel.weights.file.toolTip() == str(path)
    assert panel.model_request().weights == path

    choose(qtbot, panel.model, 'ViT-B-32')
    assert panel.weights.file.text() == 'as published'
    assert panel.model_request().weights is None
    choose(qtbot, panel.model, 'demo')
    assert not panel.weights.browse.isEnabled()
    with pytest.raises(ModelError, match='its own weights'):
        panel.weights.use(path)
    choose(qtbot, panel.model, 'ViT-B-16')
    assert panel.model_request().weights == path
    with qtbot.waitSignal(panel.changed):
        press(panel.weights.clear)
    assert panel.model_request().weights is None
    assert panel.weights.file.text() == 'as published'


def test_a_dialog_that_is_cancelled_changes_nothing(
    qtbot, press, panel: ModelPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        QFileDialog, 'getOpenFileName', lambda *a, **k: ('', '')
    )
    press(panel.more)
    with qtbot.assertNotEmitted(panel.changed):
        press(panel.weights.browse)
    assert panel.model_request() == ModelRequest('ViT-B-16')


def test_where_it_runs_is_told_until_something_is_changed(
    qtbot, panel: ModelPanel
) -> None:
    first = panel.choice.text()
    assert first == 'Runs on: chosen at the first run.'
    panel.show_choice(ComputeChoice('CPU (EPYC)', 'float32', 'So it is.'))
    assert panel.choice.text() == 'Runs on: CPU (EPYC), float32. So it is.'
    choose(qtbot, panel.model, 'demo')
    assert panel.choice.text() == first


# The state


def test_a_state_goes_through_json(
    qtbot, panel: ModelPanel, tmp_path: Path
) -> None:
    path = tmp_path / 'mine.pt'
    path.touch()
    panel.weights.use(path)
    panel.choose_model('ViT-B-32')
    panel.more.click()
    state = json.loads(json.dumps(panel.state()))
    other = ModelPanel()
    qtbot.addWidget(other)
    with qtbot.waitSignal(other.changed):
        other.set_state(state)
    assert other.state() == state
    assert not other.details.isHidden()
    with qtbot.assertNotEmitted(other.changed):
        other.set_state(state)
    other.choose_model('ViT-B-16')
    assert other.model_request().weights == path


def test_a_file_that_is_gone_is_left_out(
    panel: ModelPanel, tmp_path: Path
) -> None:
    panel.set_state({'weights': {'ViT-B-16': str(tmp_path / 'gone.pt')}})
    assert panel.model_request() == ModelRequest('ViT-B-16')
    panel.set_state({'weights': {'ViT-B-16': 'x' * 5000}})
    assert panel.model_request() == ModelRequest('ViT-B-16')


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.dictionaries(
        st.sampled_from(
            ['model', 'device', 'precision', 'weights', 'is_expanded', 'x']
        ),
        _JSON | st.sampled_from(['demo', 'cpu', {'ViT-B-16': 3}]),
    )
)
def test_any_state_leaves_a_request_that_can_be_made(
    panel: ModelPanel, state: dict[str, object]
) -> None:
    panel.set_state(state)
    request = panel.model_request()
    assert request.name in MODEL_NAMES
    assert request.weights is None
    assert request.device in ('auto', 'cpu')


def test_every_control_says_what_it_is(panel: ModelPanel) -> None:
    buddies = {label.buddy() for label in panel.findChildren(QLabel)}
    for control in (
        panel.model,
        panel.typed,
        panel.device,
        panel.precision,
        panel.activation,
    ):
        assert control in buddies
        assert control.accessibleName()
        assert control.toolTip()
    for button in (panel.weights.browse, panel.weights.clear, panel.more):
        assert button.text()
        assert button.toolTip()


def test_nothing_is_wider_than_a_narrow_dock(qtbot, panel: ModelPanel) -> None:
    panel.more.click()
    panel.refresh()
    panel.show_choice(ComputeChoice('CPU (EPYC)', 'float32', 'Why. ' * 30))
    assert panel.minimumSizeHint().width() <= 230
