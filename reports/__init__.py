"""Read run folders, draw them, write them as pages that open from a file."""
