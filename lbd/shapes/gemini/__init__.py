"""Google's generateContent and its embeddings, of the Gemini API and of Vertex AI: written and read."""
