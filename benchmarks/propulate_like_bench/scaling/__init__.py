"""What coordination costs, and what it guarantees, on simulated and on real ranks."""
