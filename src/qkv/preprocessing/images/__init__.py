"""Image processors: what a picture becomes before a model reads it. One module per theme; `steps` is what all share."""
