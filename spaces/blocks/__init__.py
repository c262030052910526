"""Layers that several spaces share; torch is loaded here."""
