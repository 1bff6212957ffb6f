"""The single writer of provider state."""
