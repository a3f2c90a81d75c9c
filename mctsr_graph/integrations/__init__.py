"""The search inside an agent: as a graph, a tool or middleware."""
