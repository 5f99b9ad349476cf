"""Printed forms of what the system knows: plain functions from read models to bytes.

Pages, FHIR and HL7 hand out the same bytes: what is printed does not depend on who asks.
"""
