"""Subscriptions: who is told of what, and how (FHIR R4 Subscription; R5 backport 1.1.0 in R4).

``terms`` reads the resource, ``matching`` finds what an event means for it, ``notification``
writes what is sent, ``outbound`` is the outbox's protocol, ``client`` the HTTP, ``ssrf`` the guard
in front of it.
"""
