"""Neural forecasters; the only room that imports Keras or TensorFlow."""
