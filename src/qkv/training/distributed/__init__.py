"""More than one process: data, gradients and parts of a model among them."""
