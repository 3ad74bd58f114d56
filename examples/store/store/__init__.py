"""A small shop: products in categories, with stock, served as JSON."""
