"""One of each: a format, an extractor, a rule, a unit and an exporter."""
