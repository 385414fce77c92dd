"""What people see of a run: progress, history, logs, a model's card."""
