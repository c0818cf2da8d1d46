"""Filters of the templates: texts of stores are untrusted, and times are for people."""

from django import template

from ...pages import words

register = template.Library()

# Django escapes what they return.
register.filter("shown", words.shown)
register.filter("duration", words.duration)
register.filter("ago", words.ago)
