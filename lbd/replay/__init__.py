"""Decisions of the journal, executed again: as they were made, and as another configuration would have made them."""
