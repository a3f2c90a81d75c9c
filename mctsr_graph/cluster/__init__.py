"""How is work sent to a Ray cluster? What all that runs there shares."""
