"""Django's SQLite backend with a line for those who write (``DATABASES["default"]["ENGINE"]``).

SQLite lets one connection write at a time and has no line: who finds it taken sleeps, up to a tenth
of a second, and looks again. While others write one after the other a person's click is passed over
for as long as that goes on, and then fails. Here whoever wants to write waits for a turn first, and
is woken when it comes (docs/adr/0053-who-writes-to-sqlite-stands-in-line.md).
"""
