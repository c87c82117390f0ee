"""Pages, written from data through the templates."""
