"""Text as tables: encoding, header, delimiter, numbers and times."""
