"""What each window of napari does anew, done once for a whole suite."""

from __future__ import annotations

import functools
import inspect
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest


def read_plugins_once(patch: pytest.MonkeyPatch) -> None:
    """Read the manifests of the plugins once, not again for each window."""
    from npe2 import PluginManifest

    discover = PluginManifest.discover

    @functools.cache
    def found() -> tuple[object, ...]:
        return tuple(discover())

    patch.setattr(
        PluginManifest,
        'discover',
        lambda paths=(): discover(paths) if paths else iter(found()),
    )


def read_signatures_once(patch: pytest.MonkeyPatch) -> None:
    """Ask once what a method takes, not each time it is connected.

    A window with two layers connects over a thousand methods to events.
    """
    from napari.utils.events import EventEmitter

    name = '_check_signature'
    if not isinstance(
        inspect.getattr_static(EventEmitter, name, None), staticmethod
    ):
        return
    check = EventEmitter._check_signature
    # Weak, as a function may hold what a test waits for to go.
    known: weakref.WeakKeyDictionary[types.FunctionType, bool] = (
        weakref.WeakKeyDictionary()
    )

    def look_up(called: Callable[..., Any]) -> bool:
        function = getattr(called, '__func__', None)
        if not isinstance(called, types.MethodType) or not isinstance(
            function, types.FunctionType
        ):
            return check(called)
        if function not in known:
            known[function] = check(called)
        return known[function]

    patch.setattr(EventEmitter, name, staticmethod(look_up))


def skip_what_none_listens_to(patch: pytest.MonkeyPatch) -> None:
    """Look for no callback of a closed layer at events that have none.

    napari asks each event of a viewer for each control of a layer: thousands.
    """
    from napari.utils.events import EventEmitter

    if not hasattr(EventEmitter, 'callbacks'):
        return
    disconnect = EventEmitter.disconnect

    @functools.wraps(disconnect)
    def disconnect_some(self: Any, callback: Any = None) -> None:
        if callback is None or self.callbacks:
            disconnect(self, callback)

    patch.setattr(EventEmitter, 'disconnect', disconnect_some)


def leave_the_hidden_welcome(patch: pytest.MonkeyPatch) -> None:
    """Write no shortcuts into the welcome that windows in tests do not show.

    napari does so for each of its shortcuts, and again where it is shown.
    """
    from napari._qt.widgets import qt_welcome

    welcome = getattr(qt_welcome, 'QtWelcomeWidget', None)
    refresh = getattr(welcome, 'refresh', None)
    if not hasattr(welcome, 'set_welcome_visible') or refresh is None:
        return

    @functools.wraps(refresh)
    def refresh_what_is_seen(self: Any, *args: Any) -> None:
        if not self.isHidden():
            refresh(self, *args)

    patch.setattr(welcome, 'refresh', refresh_what_is_seen)


def clean_shaders_once(patch: pytest.MonkeyPatch) -> None:
    """Unindent each text of a shader once, not for each object drawn."""
    from vispy.visuals.shaders.function import Function

    if not hasattr(Function, '_clean_code'):
        return
    # It looks at nothing but the text.
    clean = functools.cache(functools.partial(Function._clean_code, None))
    patch.setattr(Function, '_clean_code', lambda _self, code: clean(code))
