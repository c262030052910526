"""What a network ends in, losses, and what is measured; torch is loaded here."""
