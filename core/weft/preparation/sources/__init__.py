"""One small file for each kind of source; :mod:`weft.preparation.collect` brings them together."""
