"""The experiments of Kuang et al. (2020)."""
