"""What a model may see, and when: splits, windows, scales, origins."""
