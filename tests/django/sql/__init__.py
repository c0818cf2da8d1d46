"""The tables of locks in a database of Django's."""
