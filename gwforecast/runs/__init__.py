"""The questions, as short functions."""
