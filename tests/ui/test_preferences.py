"""napari's page of preferences for the plugin."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import napari.settings
import npe2
import pytest

import napari_naclip
from napari_naclip.engine import registry
from napari_naclip.engine.device import DEVICE_TYPES, Precision
from napari_naclip.ui import preferences
from napari_naclip.ui.preferences import Preferences, read_preferences

MANIFEST = Path(napari_naclip.__file__).with_name('napari.yaml')

#: For tests of what there is not before napari 0.9.
needs_page = pytest.mark.skipif(
    not hasattr(napari.settings, 'get_plugin_settings'),
    reason='this napari has no preferences of plugins',
)


@pytest.fixture
def stored(plugin_settings, npe2pm):
    """Return napari's settings of the plugin, which only this test sees."""
    npe2pm.register(npe2.PluginManifest.from_file(MANIFEST))
    settings = napari.settings.get_plugin_settings('napari-naclip')
    return getattr(settings, preferences.CONFIGURATION)


@needs_page
def test_nothing_set_gives_the_defaults(stored) -> None:
    assert read_preferences() == Preferences()


@needs_page
def test_what_is_set_is_read_and_kept(stored) -> None:
    stored.model = 'demo'
    stored.device = 'cpu'
    stored.precision = 'float32'
    stored.detail = 'full size'
    stored.reserved_cores = 3
    wanted = Preferences('demo', 'cpu', 'float32', None, 3)
    assert read_preferences() == wanted
    # From the file, as after a restart.
    napari.settings._clear_plugin_settings_cache()
    assert read_preferences() == wanted


def test_the_manifest_offers_what_there_is() -> None:
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    group = manifest.contributions.configurations[preferences.CONFIGURATION]
    choices = {
        name: tuple(item.enum)
        for name, item in group.properties.items()
        if item.enum
    }
    assert choices['model'] == registry.MODEL_NAMES
    assert set(choices['device']) == {'auto', *DEVICE_TYPES}
    assert choices['device'] == preferences.DEVICES
    assert choices['precision'] == preferences.PRECISIONS
    assert choices['precision'] == get_args(Precision)
    assert choices['detail'] == tuple(preferences.DETAILS)
    cores = group.properties['reserved_cores']
    assert cores.maximum == preferences.MOST_RESERVED
    for item in group.properties.values():
        assert item.title
        assert item.description


@pytest.mark.parametrize('name', ['model', 'device', 'precision', 'detail'])
def test_a_value_that_is_no_choice_gives_the_default(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    class Group:
        reserved_cores = -1

    setattr(Group, name, 'nonsense')
    monkeypatch.setattr(preferences, '_read_group', Group)
    assert read_preferences() == Preferences()


@needs_page
def test_an_older_napari_gives_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(napari.settings, 'get_plugin_settings')
    assert read_preferences() == Preferences()


@needs_page
def test_a_napari_that_does_not_know_the_plugin_gives_the_defaults(
    plugin_settings,
) -> None:
    assert read_preferences() == Preferences()
