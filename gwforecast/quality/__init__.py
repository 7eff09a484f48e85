"""Checks of the data: findings and flags. Data are never changed."""
