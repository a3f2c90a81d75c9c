"""Measures a search against problems whose answers are known. The search imports nothing of it."""
