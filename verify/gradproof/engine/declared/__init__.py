"""What users say of their own code: implementations, properties, and the files that hold them."""
