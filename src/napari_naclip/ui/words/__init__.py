"""What the model reads besides the class list, and hints about the words."""
