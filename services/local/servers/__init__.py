"""The servers of one machine: Kafka, Redis and Triton as supervised children."""
