"""Epochs of training until a validation loss is reached, with and without early stopping and inheritance."""
