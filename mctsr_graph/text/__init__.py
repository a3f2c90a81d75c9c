"""What models write: the final answer and the score read from it, hostile text made harmless."""
