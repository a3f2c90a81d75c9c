"""The command `mctsr`: arguments in, text out."""
