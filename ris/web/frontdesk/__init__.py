"""The front desk: arrivals, walk-ins, labels, what a site prints and shows."""
