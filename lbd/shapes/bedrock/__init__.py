"""AWS Bedrock: its Converse API asked and heard, its embeddings, and its requests signed."""
