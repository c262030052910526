"""How the images of `rooms` come about: furniture, a plan of the room, rays.

Bytes are the same on every machine, so all of it is float64 with + - * / and square roots, which
IEEE 754 rounds in one way only: no sine, power or exponential, and no sum whose order could change.
"""
