"""What the manifest offers besides the widget: sample pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

LayerData = tuple['npt.NDArray[Any]', dict[str, Any], str]


def load_demo_scene() -> list[LayerData]:
    """Return a scene that the bundled demo model understands."""
    from napari_naclip.demo.scenes import demo_scene

    scene, classes = demo_scene()
    return [
        (
            scene.image,
            {'name': 'demo scene', 'metadata': {'classes': classes}},
            'image',
        )
    ]
