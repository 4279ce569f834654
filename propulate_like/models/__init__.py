"""Models of the loss, and distributions over genomes: arrays in, arrays out."""
