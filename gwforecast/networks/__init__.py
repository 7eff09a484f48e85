"""Neural forecasters. Keras and TensorFlow are imported in this package only."""
