"""The command line: one file a command, thin over :mod:`weft.api`."""
