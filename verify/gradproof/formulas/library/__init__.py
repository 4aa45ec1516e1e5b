"""The library: one record per way of writing a function, and per order. Adding a formula is adding a record."""
