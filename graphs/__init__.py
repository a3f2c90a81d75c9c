"""The graphs that `langgraph.json` serves."""
