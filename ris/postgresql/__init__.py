"""Django's PostgreSQL backend where each round trip counts (``DATABASES["default"]["ENGINE"]``).

A message of a scanner is some fifty statements, so what each of them costs beside PostgreSQL's own
work is a good part of it: ``libpq`` runs prepared statements without psycopg's cursor, and ``base``
sends what begins and ends a savepoint in the same way, and asks a connection in use less often
whether it lives.
"""
