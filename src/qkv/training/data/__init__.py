"""From files and datasets to the batches of a run."""
