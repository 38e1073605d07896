"""What ``weft demo`` does: the whole way for each modality, through the Python API alone, and one page about it."""
