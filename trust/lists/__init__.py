"""The lists of a day or a cycle: their terms, the rules for a file, and the signed form."""
