"""Hook specifications, discovery and quarantine of plugins."""
