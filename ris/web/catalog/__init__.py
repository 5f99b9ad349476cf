"""The catalog of procedures: list, form, and the whole of it as a sheet."""
