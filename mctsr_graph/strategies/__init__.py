"""What to do next, when to stop and which answer to return: the paper's way, and others."""
