"""Data: from the parts in the store to batches, in an order that the catalog and a seed alone decide."""
