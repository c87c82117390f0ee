"""What a run determines besides its cells: properties and x-rays."""
