"""The record of each scheduled run, alerts, and how they are sent."""
