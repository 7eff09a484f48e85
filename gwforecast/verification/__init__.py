"""Judgement: metrics, scores, skill, drift."""
