"""Read run folders and the sources of the channels."""
