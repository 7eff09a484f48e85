"""One file for each family of layouts; each says how it recognises its files."""
