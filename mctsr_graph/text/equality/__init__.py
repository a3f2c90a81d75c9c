"""Decides exactly whether two final answers are equal, where that can be decided without sympy.

An answer goes through `plain` (one spelling) and `reading` (one of the `forms`); `compare` compares
two forms, and `classes` puts the answers of a search into classes of equal ones. Each step takes
any text, never raises, and is bounded in time. It says True or False only where it is sure, else
None.
"""
