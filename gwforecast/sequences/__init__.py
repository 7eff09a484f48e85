"""What a model may see, and when: splits, scales, windows."""
