"""Data files that ship with the package; each names its source."""
