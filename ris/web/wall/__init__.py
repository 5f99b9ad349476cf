"""The wall: what waiting room and control room show, without names and without a login."""
