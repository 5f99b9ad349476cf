"""REST for our own screens and for scripts: JSON over the same selectors and commands.

Described by its own OpenAPI document at ``/api/v1/schema/``; docs/reference/openapi.yaml is it.
"""
