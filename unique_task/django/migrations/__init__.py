"""The tables of locks, for databases of Django's."""
