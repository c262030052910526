"""What several runners share. Parts, not loops: a runner that needs another loop writes it."""
