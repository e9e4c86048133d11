"""TODO-names."""
