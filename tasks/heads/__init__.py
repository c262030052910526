"""Heads: the last layers, from features to an output; torch is loaded here."""
