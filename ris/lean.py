"""Whether this process is a part without pages, which loads less: sooner there, and smaller.

Set by the command before Django is set up, read once by :mod:`ris.settings`. A part that `ris up`
forks has everything in memory that it shares already.
"""

is_lean = False
