"""Adapters: LoRA and its relatives, in PEFT's file format."""
