"""What became of everything that was offered, for people: ``report.html``, the data card, and ``weft why``."""
