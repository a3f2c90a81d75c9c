"""Every setting of a search, checked once: the context, its profiles, what is known before."""
