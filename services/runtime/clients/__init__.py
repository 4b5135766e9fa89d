"""The servers as the river uses them: Kafka, Redis, the object store."""
