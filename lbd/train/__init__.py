"""Training the router from measured answers: rows in, weights and a model card out. Needs numpy."""
