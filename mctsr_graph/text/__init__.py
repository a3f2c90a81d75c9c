"""What models write: final answers and scores read, answers compared, hostile text hidden."""
