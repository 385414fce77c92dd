"""Training: `Trainer` is the loop, `TrainingArguments` what it is told; each feature applied to it has a file."""
