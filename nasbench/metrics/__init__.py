"""How good was it: pure functions of arrays."""
