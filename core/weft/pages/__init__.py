"""What the pages that Weft writes for people have in common: one look, payloads with their files, numbers, axes."""
