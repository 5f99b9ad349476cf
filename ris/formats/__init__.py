"""How dates and times are written, for languages whose usual way can be mistaken."""
