"""Mean IoU over a data set: its files found, counted image by image."""
