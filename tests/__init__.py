"""Contracts over every file of a folder, the mathematics, and one module per promise."""
