"""AWS Bedrock's Converse API: asked, heard, and its requests signed."""
