"""What helps a person to correct and finish labels; knows no layer."""
