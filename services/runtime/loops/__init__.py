"""The loops of the three kinds of services, and the transaction that ends each round."""
