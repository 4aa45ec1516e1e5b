"""How often: exact probabilities and their tests."""
