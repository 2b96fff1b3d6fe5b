"""NACLIP without napari and Qt: arrays and words in, labels out."""
