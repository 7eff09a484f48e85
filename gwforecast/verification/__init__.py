"""Judgement: metrics and scores."""
