"""The parts of the panel that help to correct a result."""
