"""Rounding as the published code's 8 bits and float64 do it."""
