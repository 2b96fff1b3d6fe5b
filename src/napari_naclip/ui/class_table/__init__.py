"""The class table of the dock widget, whole: words, colors, background."""
