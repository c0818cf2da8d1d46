"""The app for Django, in a project with a worker and a web server."""
