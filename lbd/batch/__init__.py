"""Files and batches that clients left here: held, kept, found again."""
