"""The search as a LangGraph graph: its picture, state, nodes and events."""
