"""What an answer says, and whether that is what was asked for."""
