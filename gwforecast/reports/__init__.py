"""Pages: the bulletin."""
