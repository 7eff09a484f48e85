"""What is doubtful: findings and flags, never an edit."""
