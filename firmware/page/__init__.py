"""The operator page: draws what the workflows show, in the language of whoever stands before it."""
