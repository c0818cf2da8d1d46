"""One app of the project: it imports orders."""
