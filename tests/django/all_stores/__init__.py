"""The app for Django with a worker, and all the servers that a project has."""
