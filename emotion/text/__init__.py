"""What is said: a text, and which emotions its words carry."""
