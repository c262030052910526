"""Kinds of tasks: what several tasks share. No torch until something is built."""
