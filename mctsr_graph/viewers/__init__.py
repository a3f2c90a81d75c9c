"""Pictures of a finished search: a tree in, a string out."""
