"""Commands of an office: the bulletin, alerts, Delft-FEWS and the archive."""
