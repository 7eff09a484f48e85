"""What a scheduled run tells people: a record of each run, alerts, and how they are sent."""
