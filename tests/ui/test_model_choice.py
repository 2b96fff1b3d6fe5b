"""Models by domain, by a typed name and by a file, by mouse and keys."""

from __future__ import annotations

import os
from pathlib import Path

import open_clip
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from safetensors.torch import save_file

from napari_naclip.engine import guess
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.ui import model_messages
from napari_naclip.ui.model_list import OTHER_NAME
from napari_naclip.ui.model_panel import ModelPanel

SOON = 20_000

pytestmark = pytest.mark.usefixtures('empty_hub')


@pytest.fixture
def panel(qtbot) -> ModelPanel:
    panel = ModelPanel()
    qtbot.addWidget(panel)
    panel.resize(250, 500)
    panel.show()
    panel.refresh()
    return panel


def choose_other(qtbot, panel: ModelPanel) -> None:
    panel.model.setFocus()
    qtbot.keyClick(panel.model, Qt.Key.Key_End)
    assert panel.model.currentData() == OTHER_NAME


def type_name(qtbot, panel: ModelPanel, name: str) -> None:
    choose_other(qtbot, panel)
    panel.typed.setFocus()
    panel.typed.selectAll()
    qtbot.keyClicks(panel.typed, name)
    qtbot.keyClick(panel.typed, Qt.Key.Key_Return)


# The list


def test_models_stand_below_what_they_were_made_for(
    qtbot, panel: ModelPanel
) -> None:
    box = panel.model
    heading = ''
    for index in range(box.count()):
        name = box.itemData(index)
        flags = box.model().index(index, 0).flags()
        if name is None:
            heading = box.itemText(index)
            assert flags == Qt.ItemFlag.NoItemFlags
        else:
            assert flags & Qt.ItemFlag.ItemIsEnabled
            if name in REGISTRY:
                assert heading == REGISTRY[name].domain.capitalize()
    assert heading == 'More'


def test_keys_pass_over_the_headings(qtbot, panel: ModelPanel) -> None:
    panel.model.setFocus()
    qtbot.keyClick(panel.model, Qt.Key.Key_Home)
    seen = []
    for _ in range(panel.model.count()):
        seen.append(panel.model.currentData())
        qtbot.keyClick(panel.model, Qt.Key.Key_Down)
    assert None not in seen
    assert set(REGISTRY) < set(seen)


def test_license_and_note_are_said(panel: ModelPanel) -> None:
    panel.choose_model('MetaCLIP-B-16')
    assert 'no commercial use' in panel.about.text()
    assert 'photographs' in panel.about.text()
    panel.choose_model('RemoteCLIP-L-14')
    assert 'remote sensing' in panel.about.text()
    assert 'activation is a guess' in panel.about.text()
    panel.choose_model('SigLIP-B-16')
    assert 'Experimental' in panel.about.text()
    assert 'Needs the package transformers' in panel.about.text()


# Typed names


def test_a_name_is_typed_below_other(qtbot, panel: ModelPanel) -> None:
    assert not panel.typed.isVisible()
    choose_other(qtbot, panel)
    assert panel.typed.isVisible()
    assert panel.about.text() == model_messages.NOTHING_TYPED
    with qtbot.waitSignal(panel.changed):
        type_name(qtbot, panel, ' ViT-B-16/metaclip_400m ')
    assert panel.model_request().name == 'ViT-B-16/metaclip_400m'
    assert 'no commercial use' in panel.about.text()
    with qtbot.assertNotEmitted(panel.changed):
        qtbot.keyClick(panel.typed, Qt.Key.Key_Return)
    panel.choose_model('demo')
    assert not panel.typed.isVisible()
    choose_other(qtbot, panel)
    assert panel.model_request().name == 'ViT-B-16/metaclip_400m'


def test_a_name_that_cannot_be_is_told_at_once(
    qtbot, panel: ModelPanel
) -> None:
    type_name(qtbot, panel, 'ViT-B-61/openai')
    assert 'no architecture' in panel.about.text()
    assert 'ViT-B-16' in panel.about.text()
    # No empty line stands for weights that there are not.
    assert not panel.presence.isVisible()
    type_name(qtbot, panel, 'hf-hub:somebody/a-model')
    assert panel.presence.isVisible()
    assert 'Look at its page' in panel.about.text()
    assert panel.presence.text() == 'Weights: to download'
    assert panel.weights.browse.isEnabled()


@pytest.mark.parametrize(
    'name', ['hf-hub:a--b/c', 'local-dir:~nobody-of-this-name/x']
)
def test_a_name_that_cannot_be_leaves_the_panel_in_use(
    qtbot, panel: ModelPanel, name: str
) -> None:
    with qtbot.waitSignal(panel.changed):
        type_name(qtbot, panel, name)
    assert repr(name.partition(':')[2])[1:-1] in panel.about.text()
    other = ModelPanel()
    qtbot.addWidget(other)
    other.set_state(panel.state())
    assert other.model_request().name == 'ViT-B-16'


def test_a_typed_name_comes_back(qtbot, panel: ModelPanel) -> None:
    type_name(qtbot, panel, 'hf-hub:somebody/a-model')
    panel.activation.setCurrentIndex(2)
    state = panel.state()
    other = ModelPanel()
    qtbot.addWidget(other)
    other.set_state(state)
    assert other.state() == state
    request = other.model_request()
    assert request.name == 'hf-hub:somebody/a-model'
    assert request.activation == 'quickgelu'
    with qtbot.waitSignal(other.changed):
        other.choose_model('hf-hub:somebody/other')
    assert other.model_request().name == 'hf-hub:somebody/other'


# Files


def write_weights(path: Path, arch: str) -> None:
    """Write a file of an architecture's shapes that holds nothing else."""
    with torch.device('meta'):
        state = open_clip.model.CLIP(
            **open_clip.get_model_config(arch)
        ).state_dict()
    # One number for each tensor, stretched: the file stays small.
    torch.save(
        {
            name: torch.zeros(()).expand(tensor.shape)
            for name, tensor in state.items()
        },
        path,
    )


def choose_file(
    qtbot, monkeypatch: pytest.MonkeyPatch, panel: ModelPanel, path: Path
) -> None:
    monkeypatch.setattr(
        QFileDialog, 'getOpenFileName', lambda *a, **k: (str(path), '')
    )
    panel.more.setChecked(True)
    with qtbot.waitSignal(panel.weights.looked, timeout=SOON):
        qtbot.mouseClick(panel.weights.browse, Qt.MouseButton.LeftButton)


def test_a_file_for_another_model_chooses_that(
    qtbot, panel: ModelPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'mine.pt'
    write_weights(path, 'ViT-B-32')
    assert os.path.getsize(path) < 1_000_000
    choose_file(qtbot, monkeypatch, panel, path)
    request = panel.model_request()
    assert (request.name, request.weights) == ('ViT-B-32', path)
    text = panel.weights.look.text()
    assert panel.weights.look.isVisible()
    for part in ('patches of 32 px', 'not like ViT-B-16', 'RemoteCLIP-B-32'):
        assert part in text
    assert 'guess' in text
    # Another one built alike may be chosen for it, by the same button.
    panel.choose_model('RemoteCLIP-B-32')
    assert not panel.weights.look.isVisible()
    choose_file(qtbot, monkeypatch, panel, path)
    assert panel.model_request().name == 'RemoteCLIP-B-32'
    assert 'as RemoteCLIP-B-32 is' in panel.weights.look.text()


def test_auto_takes_the_model_of_the_file(
    qtbot, panel: ModelPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_name(qtbot, panel, 'auto')
    assert panel.about.text() == model_messages.AUTO_ABOUT
    path = tmp_path / 'mine.pt'
    torch.save({'visual.trunk.blocks.0.a': torch.ones(2)}, path)
    choose_file(qtbot, monkeypatch, panel, path)
    assert 'Write which model it is' in panel.weights.look.text()
    assert panel.model_request().name == 'auto'
    path = tmp_path / 'remoteclip.pt'
    write_weights(path, 'ViT-B-32')
    choose_file(qtbot, monkeypatch, panel, path)
    request = panel.model_request()
    assert (request.name, request.weights) == ('RemoteCLIP-B-32', path)
    text = panel.weights.look.text()
    assert ': RemoteCLIP-B-32 was chosen. Built alike: ViT-B-32' in text
    assert 'auto' not in text


def test_a_model_is_said_to_fit_only_where_it_does(
    qtbot, panel: ModelPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'mine.pt'
    write_weights(path, 'ViT-B-32')
    panel.choose_model('hf-hub:somebody/a-model')
    choose_file(qtbot, monkeypatch, panel, path)
    assert panel.model_request().name == 'hf-hub:somebody/a-model'
    text = panel.weights.look.text()
    assert 'is built is not known yet. Built alike: ViT-B-32' in text
    panel.choose_model('QuiltNet-B-32')
    choose_file(qtbot, monkeypatch, panel, path)
    assert 'as QuiltNet-B-32 is' in panel.weights.look.text()
    panel.choose_model('QuiltNet-B-16')
    choose_file(qtbot, monkeypatch, panel, path)
    assert panel.model_request().name == 'ViT-B-32'
    assert 'not like QuiltNet-B-16' in panel.weights.look.text()


def test_a_file_that_is_no_model_is_told(
    qtbot, panel: ModelPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'mine.safetensors'
    save_file({'a': torch.ones(2)}, path)
    choose_file(qtbot, monkeypatch, panel, path)
    assert panel.model_request().weights == path
    assert 'no image tower of CLIP' in panel.weights.look.text()
    qtbot.mouseClick(panel.weights.clear, Qt.MouseButton.LeftButton)
    assert not panel.weights.look.isVisible()


def test_a_model_that_was_chosen_meanwhile_stays(
    qtbot, panel: ModelPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'mine.pt'
    write_weights(path, 'ViT-B-32')
    real = guess.guess_file
    asked = []

    def guess_slowly(path: Path) -> guess.Guess:
        asked.append(path)
        return real(path)

    monkeypatch.setattr(guess, 'guess_file', guess_slowly)
    with qtbot.assertNotEmitted(panel.weights.looked):
        panel.weights.use(path)
        panel.choose_model('demo')
        qtbot.waitUntil(lambda: bool(asked), timeout=SOON)
        qtbot.waitUntil(lambda: not panel.weights.is_looking, timeout=SOON)
    assert panel.model_request().name == 'demo'
