"""Hugging Face's Llama: weights out, for transformers and all that reads it, and in, to go on training.

    python -m trainer.hf export --store S --run R --out DIR [--step N] [--tokenizer FILE]
    python -m trainer.hf import DIR [--pieces FILE]       # checks it, prints the lines that a config needs

Our model is Llama with other names (names.py), so weights are only renamed.
"""
