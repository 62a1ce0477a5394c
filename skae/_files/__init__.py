"""Files: atomic writing, bounded reading, and containers of arrays."""
