"""What a person looks at to judge a case: pictures, looks and facts; drawing alone, no files."""
