"""What units, headers and words of the field mean."""
