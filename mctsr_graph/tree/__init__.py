"""The tree of answers as a plain JSON value, and what a person changed in it."""
