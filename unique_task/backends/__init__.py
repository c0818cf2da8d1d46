"""Where locks live: one contract, and a backend for each kind of store."""
