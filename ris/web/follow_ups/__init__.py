"""Follow-up recommendations: the list of what is due, and the part of the report's page."""
