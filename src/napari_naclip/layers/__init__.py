"""Between napari layers and the arrays of the engine; no Qt."""
