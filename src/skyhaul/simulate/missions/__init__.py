"""How each mission names, dates and describes its products: pure functions of an acquisition."""
