"""The provider table and other columns of text, as a person sees them; for the commands and the demonstration."""
