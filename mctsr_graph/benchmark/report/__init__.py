"""A run's figures for people: terminal, Markdown, plots, and one HTML page."""
