"""Profile "tuned": which class of answers is right, and which call tells most about it."""
