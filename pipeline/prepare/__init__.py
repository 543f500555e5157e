"""What makes looks comparable: radiometry, clear sky, registration, quarantine of a date."""
