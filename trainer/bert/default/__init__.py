"""How the default judge was made: which texts, which labels, which encoder.

sources    public texts under licences that permit redistribution, and their readers, out of clones
composed   headlines, advertisements and blurbs put together from phrases of our own (phrases.yaml)
junk       good text damaged by rule
records    all that and the labelled sets -> the JSONL that `judge train` reads; the data table of the card
encoder    multilingual-e5-small cut down to what a small judge can carry

The texts are not part of the project. README.md gives the commands from nothing to the model folder.
"""
