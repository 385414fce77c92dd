"""From text, images and sound to the arrays a model reads. Nothing is imported until it is asked for."""
