"""What is measured: the RIS itself, its peers, and the floors."""
