"""What one delivered object is: pure, bytes in, record out."""
