"""Before a run: what it will cost, which learning rate, which of many settings."""
