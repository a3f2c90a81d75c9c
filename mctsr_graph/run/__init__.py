"""One search or many, from the problem to the solution: run, stored, taken up, steered."""
