"""Traces and tables in, figures, tables and one page out."""
