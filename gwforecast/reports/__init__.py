"""Reports as HTML pages: the bulletin."""
