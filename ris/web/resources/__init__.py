"""Rooms, devices and staff: hours, closures, downtime, kept time, groups, holidays, sheets."""
