"""What a plugin implements, and the plain types that pass between the stages. Imports no torch."""
