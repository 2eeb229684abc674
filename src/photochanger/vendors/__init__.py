"""Stand-ins for the cloud vendors: they speak their APIs, misbehave as they are told, and write down what they got.

For tests, load runs, and whoever wants to try the product without a key. They know nothing of the product.
"""
