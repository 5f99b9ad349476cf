"""Load clients that share no code with the servers they measure."""
