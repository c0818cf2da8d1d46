"""From the arguments of a call to the key under which it is locked."""
