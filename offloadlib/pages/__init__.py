"""What pages are made of: HTML and Markdown from one description."""
