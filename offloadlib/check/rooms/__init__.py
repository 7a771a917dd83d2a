"""What a verdict may need besides the core: other forms of files, other problems, searches."""
