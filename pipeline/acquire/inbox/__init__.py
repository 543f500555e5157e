"""What a drone team hands in: recognised, checked, and taken in whole or not at all."""
