"""What runs the weights of a local model: requests in, futures out."""
