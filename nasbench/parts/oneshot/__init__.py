"""What several one-shot methods share, in torch: alone of the parts, these import it."""
