"""Trains the embedded model from nothing: made-up problems, a tokenizer, and four tasks."""
