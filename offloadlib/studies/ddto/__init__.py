"""DDTO (Wu et al. 2020) against certified optima."""
