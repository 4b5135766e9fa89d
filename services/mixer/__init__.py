"""Router and mixer: what the model is fed, in which shares and in which order.

recipe      buckets, phases and weights; imported by every process, so it imports little
presets     the recipes that ship
marked      YAML with its lines; faults: what is wrong where, and what was meant
router      the unit that puts a document into a bucket
task        the mixer of one lane; its arithmetic is the ledger's
simulate    the same arithmetic over lengths alone (supply), drawn by plot on a picture
review      what a recipe allows and hardly anybody means
"""
